// Pictures of every page, on a phone and on a desk, to be looked at by people.
// usage: node shots.mjs FOLDER

import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { DESK, PHONE } from './lib/browser.mjs';
import { Client, measured } from './lib/http.mjs';
import { seesMoving } from './lib/media.mjs';
import { Guest, Patient, Staff } from './lib/people.mjs';
import { Server } from './lib/server.mjs';

const folder = process.argv[2];
if (!folder) {
  console.error('usage: node shots.mjs FOLDER');
  process.exit(2);
}
await mkdir(folder, { recursive: true });

let number = 0;
async function shot({ page }, name) {
  number += 1;
  for (const [size, viewport] of [['phone', PHONE], ['desk', DESK]]) {
    await page.setViewportSize(viewport);
    await page.waitForLoadState('networkidle', { timeout: 3_000 }).catch(() => {});
    await page.evaluate(() => document.fonts.ready);
    await page.screenshot({ path: join(folder, `${String(number).padStart(2, '0')}-${name}-${size}.png`), fullPage: true });
  }
  console.log(name);
}

const server = await Server.start();
const demo = await server.demo();
const visit = demo.visits[0];
const people = [];
const open = async (person) => {
  people.push(await person);
  return people.at(-1);
};

try {
  const patient = await open(Patient.at({ base: server.base, visit, viewport: DESK }));
  const provider = await open(Staff.at({ base: server.base, account: demo.provider }));

  const stranger = await open(Patient.at({ base: server.base, visit: { patient_link: '/v/not-a-link' }, viewport: DESK }));
  await stranger.opensLink();
  await stranger.page.getByRole('heading').first().waitFor();
  await shot(stranger, 'link-not-usable');
  await stranger.leaveBrowser();

  await provider.page.goto(server.base);
  await provider.page.getByRole('textbox', { name: /^Email/ }).waitFor();
  await shot(provider, 'sign-in');
  await provider.signsIn();
  await shot(provider, 'today');

  await patient.opensLink();
  await patient.button('Continue').first().waitFor();
  await shot(patient, 'patient-date-of-birth');
  await patient.confirmsDateOfBirth();
  await patient.page.getByRole('textbox', { name: /^Address/ }).waitFor();
  await shot(patient, 'patient-where');
  await patient.saysWhereTheyAre();
  await patient.button('I agree').waitFor();
  await shot(patient, 'patient-consent');
  await patient.agrees();
  await patient.button('Join waiting room').waitFor();
  await shot(patient, 'patient-devices');
  await patient.joinsWaitingRoom();
  await shot(patient, 'patient-waiting');

  const names = await provider.namesIn(visit);
  await provider.opensVisit(visit);
  await provider.button('Admit').first().waitFor();
  await shot(provider, 'visit-before-admit');
  await provider.press('Admit');
  await Promise.all([seesMoving(provider.page, names.patient), seesMoving(patient.page, names.provider)]);
  await provider.note.fill('Knee pain for two weeks, better at rest. Advised ice and review in ten days.');
  await shot(provider, 'visit');
  await shot(patient, 'patient-visit');
  await provider.press('Invite');
  await provider.page.getByRole('dialog').getByRole('textbox', { name: 'Name' }).waitFor();
  await shot(provider, 'visit-invite');
  await provider.page.getByRole('dialog').getByRole('button', { name: 'Close', exact: true }).click();
  const link = await provider.invites({ role: 'Interpreter', name: 'Iris Marquez' });
  const guest = await open(Guest.at({ base: server.base, link, viewport: DESK }));
  await guest.opensLink();
  await guest.button('Continue').first().waitFor();
  await shot(guest, 'guest-name');
  await guest.givesName('Iris Marquez', { suggested: 'Iris Marquez' });
  await guest.button('I agree').waitFor();
  await shot(guest, 'guest-consent');
  await guest.agrees();
  await guest.button('Join waiting room').waitFor();
  await shot(guest, 'guest-devices');
  await guest.joinsWaitingRoom();
  await shot(guest, 'guest-waiting');
  await provider.sees('Iris Marquez (Interpreter)');
  await shot(provider, 'visit-guest-waits');
  await provider.press('Admit');
  await Promise.all([provider, patient].map(({ page }) => seesMoving(page, 'Iris Marquez')));
  await seesMoving(guest.page, names.patient);
  await shot(provider, 'visit-with-interpreter');
  await shot(patient, 'patient-with-interpreter');
  await shot(guest, 'guest-visit');
  await provider.press('Invite');
  await provider.page.getByRole('dialog').getByRole('listitem').first().waitFor();
  await shot(provider, 'visit-invited');
  await provider.page.getByRole('dialog').getByRole('button', { name: 'Close', exact: true }).click();
  await provider.takesBack('Iris Marquez');
  await guest.sees('This visit is closed for you');
  await shot(guest, 'guest-taken-back');
  await guest.leaveBrowser();
  await provider.chat('Good morning, can you hear me?');
  await patient.press('Chat');
  await patient.chat('Yes, very well.');
  await provider.sees('Yes, very well.');
  await shot(provider, 'visit-chat');
  await shot(patient, 'patient-chat');
  await provider.press('Start recording');
  await patient.button('Allow recording').first().waitFor();
  await shot(patient, 'patient-recording-question');
  await shot(provider, 'visit-recording-question');
  await provider.press('Allow recording');
  await patient.press('Allow recording');
  await Promise.all([provider.seesRecording(), patient.seesRecording()]);
  await shot(provider, 'visit-recording');
  await shot(patient, 'patient-recording');
  const adminClient = await new Client(server.base).signIn(demo.clinic_admin);
  await measured(adminClient, visit, { points: 4, guests: 1 });
  await provider.signsNote();
  await shot(provider, 'visit-signed');
  await provider.endsVisit();
  await Promise.all([provider.seesState('Visit ended'), patient.seesState('Visit ended')]);
  await shot(patient, 'patient-ended');
  await provider.recordingIsReady(visit);
  await provider.opensRecording(visit);
  await shot(provider, 'visit-after');
  await provider.page.goto(server.base);
  await shot(provider, 'today-after');

  const admin = await open(Staff.at({ base: server.base, account: demo.clinic_admin }));
  await adminClient.lendCookies(admin.context);
  await admin.page.goto(server.base);
  await admin.page.getByRole('table').waitFor();
  await shot(admin, 'quality-list');
  await admin.opensQualityOf(names.provider);
  await shot(admin, 'quality-visit');

  const officer = await open(Staff.at({ base: server.base, account: demo.compliance }));
  await officer.signsIn();
  await shot(officer, 'audit');
  for (const view of ['Who viewed a patient', 'Unusual access', 'Integrity']) {
    await officer.page.getByRole('tab', { name: view }).click();
    await shot(officer, `audit-${view.toLowerCase().replaceAll(' ', '-')}`);
  }

  const desk = await open(Staff.at({ base: server.base, account: demo.front_desk }));
  await desk.signsIn();
  await shot(desk, 'front-desk-today');
} finally {
  for (const person of people) await person.leaveBrowser();
  await server.stop();
}
