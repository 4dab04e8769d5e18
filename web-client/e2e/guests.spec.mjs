// An interpreter in a visit, with three real browsers: invited, let in, seen and heard, asked before recording, out when taken back.

import assert from 'node:assert/strict';
import { after, describe } from 'node:test';
import { DESK } from './lib/browser.mjs';
import { counters, hearsVoices, seesMoving, videoOf } from './lib/media.mjs';
import { Guest, Patient, Staff } from './lib/people.mjs';
import { Server } from './lib/server.mjs';
import { story } from './lib/story.mjs';
import { until } from './lib/until.mjs';

const NAME = 'Iris Marquez';
const wallClock = () => performance.timeOrigin + performance.now();

describe('an interpreter is a guest of one visit', { timeout: 300_000 }, () => {
  let server, visit, patient, provider, guest, names;
  const step = story(() => ({ server, people: { patient, provider, guest } }));
  const everybody = () => [patient, provider, guest];
  const allSeeAndHear = async () => {
    await Promise.all([
      seesMoving(provider.page, names.patient), seesMoving(provider.page, NAME),
      seesMoving(patient.page, names.provider), seesMoving(patient.page, NAME),
      seesMoving(guest.page, names.patient), seesMoving(guest.page, names.provider),
    ]);
    await Promise.all(everybody().map(({ page }) => hearsVoices(page, 2)));
  };

  step('patient and provider are in a visit', async () => {
    server = await Server.start();
    const demo = await server.demo();
    visit = demo.visits[0];
    [patient, provider] = await Promise.all([Patient.at({ base: server.base, visit }), Staff.at({ base: server.base, account: demo.provider })]);
    await Promise.all([patient.checksIn(), provider.signsIn()]);
    names = await provider.namesIn(visit);
    await provider.opensVisit(visit);
    await provider.press('Admit');
    await Promise.all([seesMoving(provider.page, names.patient), seesMoving(patient.page, names.provider)]);
  });

  after(async () => {
    for (const person of everybody()) await person?.leaveBrowser();
    await server?.stop();
  });

  step('the provider invites an interpreter and has a link to pass on', async () => {
    const link = await provider.invites({ role: 'Interpreter', name: 'Iris M.' });
    assert.match(new URL(link).pathname, /^\/g\/[\w-]{43}$/);
    guest = await Guest.at({ base: server.base, link, viewport: DESK });
  });

  step('the interpreter opens it, corrects the name, agrees and waits; nothing of the visit is in the page', async () => {
    await guest.opensLink();
    await guest.givesName(NAME, { suggested: 'Iris M.' });
    assert.equal(new URL(guest.page.url()).pathname, '/g/me', 'the token has left the address bar');
    await guest.sees('You are a guest in a medical visit');
    await guest.agrees();
    await guest.joinsWaitingRoom();
    assert.equal((await guest.page.content()).includes(names.patient), false, 'the patient is not named');
  });

  step('not one packet reaches or leaves the interpreter before being admitted, though the transport is up and sends', async () => {
    await guest.transportIsUp();
    assert.equal((await counters(guest.page)).packetsIn, 0);
    assert.equal(await videoOf(provider.page, NAME).count(), 0);
    assert.equal(await videoOf(patient.page, NAME).count(), 0);
    await provider.sees(`${NAME} (Interpreter) is in the waiting room`);
  });

  step('after Admit all three see and hear each other, and see who interprets', async () => {
    await provider.press('Admit');
    await allSeeAndHear();
    for (const { page } of [provider, patient]) await page.locator('figcaption', { hasText: NAME }).getByText('Interpreter', { exact: true }).waitFor();
  });

  step('the interpreter is the largest picture for patient and provider', async () => {
    for (const [person, other] of [[provider, names.patient], [patient, names.provider]]) {
      const area = async (name) => {
        const { width, height } = await videoOf(person.page, name).boundingBox();
        return width * height;
      };
      assert.ok((await area(NAME)) > 1.2 * (await area(other)), 'larger than the other picture');
    }
  });

  step('recording asks the interpreter as well, and one no ends it', async () => {
    await provider.press('Start recording');
    await Promise.all([provider.press('Allow recording'), patient.press('Allow recording')]);
    await guest.button('Allow recording').first().waitFor();
    assert.equal(await provider.isRecording(), false, 'two answers of three are not enough');
    await guest.press('Allow recording');
    await Promise.all(everybody().map((person) => person.seesRecording()));
    await guest.withdrawsRecording();
    await Promise.all(everybody().map((person) => person.seesNoRecording()));
  });

  step('the interpreter leaves, comes back by the link and waits to be let in again', async () => {
    await guest.press('Leave');
    await videoOf(provider.page, NAME).waitFor({ state: 'detached' });
    await guest.opensLink();
    await guest.givesName(NAME, { suggested: NAME });
    await guest.joinsWaitingRoom();
    assert.equal(await videoOf(patient.page, NAME).count(), 0);
    await provider.press('Admit');
    await allSeeAndHear();
  });

  step('taken back: the interpreter is out at once, the others go on, and the link is dead', async (context) => {
    await provider.takesBack(NAME);
    await guest.sees('This visit is closed for you');
    context.diagnostic(`out after ${Math.round(wallClock() - (await provider.pressedAt('Take back')))} ms, the test's own time included`);
    await Promise.all([provider, patient].map(({ page }) => videoOf(page, NAME).waitFor({ state: 'detached' })));
    await Promise.all([seesMoving(provider.page, names.patient), seesMoving(patient.page, names.provider)]);
    await until(async () => (await provider.api(`/visits/${visit.visit_id}/guests`)).items[0].state === 'revoked', { what: 'the list says so' });
    await guest.opensLink();
    await guest.sees('This link can’t be used');
  });
});
