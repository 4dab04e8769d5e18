// The waiting room with four real browsers: two patients on phones, the front desk and the provider at their desks.

import assert from 'node:assert/strict';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { after, describe } from 'node:test';
import { isAccessible } from './lib/axe.mjs';
import { DESK, PHONE } from './lib/browser.mjs';
import { Patient, Staff } from './lib/people.mjs';
import { Server } from './lib/server.mjs';
import { story } from './lib/story.mjs';
import { until } from './lib/until.mjs';

const SHOTS = process.env.BEDSIDE_E2E_SHOTS;

describe('the waiting room', { timeout: 300_000 }, () => {
  let server, demo, first, second, desk, provider;
  const step = story(() => ({ server, people: { first, second, desk, provider } }));

  after(async () => {
    for (const person of [first, second, desk, provider]) await person?.leaveBrowser();
    await server?.stop();
  });

  /** A page as it stands: by axe, and as pictures in both sizes and languages if they are asked for. */
  const looksRight = async (person, name) => {
    await isAccessible(person.page, name);
    if (!SHOTS) return;
    await mkdir(SHOTS, { recursive: true });
    const { page } = person;
    const before = page.viewportSize();
    const modal = (await page.locator('dialog[open]').count()) > 0;
    for (const lang of modal ? ['en'] : ['es', 'en']) {
      await page.locator(`button[lang=${lang}]:visible`).first().click({ timeout: 2_000 }).catch(() => {});
      await page.waitForFunction((wanted) => document.documentElement.lang === wanted, lang);
      for (const [size, viewport] of [['phone', PHONE], ['desk', DESK]]) {
        await page.setViewportSize(viewport);
        await page.evaluate(() => document.fonts.ready);
        await page.screenshot({ path: join(SHOTS, `${name}-${lang}-${size}.png`), fullPage: true });
      }
    }
    await page.setViewportSize(before);
  };
  const row = (name) => desk.page.getByRole('listitem').filter({ hasText: name });
  const dialog = () => desk.page.getByRole('dialog');
  const deed = async (name, words) => {
    await row(name).getByRole('button', { name: words }).first().click();
  };

  step('the front desk has the day open, with sound and notification by choice', async () => {
    server = await Server.start();
    demo = await server.demo();
    desk = await Staff.at({ base: server.base, account: demo.front_desk });
    await desk.signsIn();
    await desk.page.getByRole('checkbox', { name: 'Sound on arrival' }).check();
    await desk.page.reload();
    assert.equal(await desk.page.getByRole('checkbox', { name: 'Sound on arrival' }).isChecked(), true, 'remembered');
    await looksRight(desk, 'today-nobody-waits');
  });

  step('who comes is there without a reload, knows their place, and the desk is rung', async () => {
    await desk.page.evaluate(() => {
      window.__rings = 0;
      const play = HTMLMediaElement.prototype.play;
      HTMLMediaElement.prototype.play = function rung() {
        window.__rings += 1;
        return play.call(this);
      };
    });
    first = await Patient.at({ base: server.base, visit: demo.visits[0] });
    await first.opensLink();
    await first.confirmsDateOfBirth();
    await first.saysWhereTheyAre();
    await first.agrees();
    // The connection is measured on the very transport that the visit uses.
    await first.page.getByText('Good connection').click();
    await first.sees('Time for an answer');
    await looksRight(first, 'devices-numbers');
    await first.joinsWaitingRoom();
    await first.sees('You are next');
    await first.sees('We can’t say yet');
    await row(demo.visits[0].patient_name).getByText('No. 1 in line').waitFor();
    await row(demo.visits[0].patient_name).getByText('Ready', { exact: true }).waitFor();
    await until(() => desk.page.evaluate(() => window.__rings), { what: 'the arrival is heard' });
    second = await Patient.at({ base: server.base, visit: demo.visits[1] });
    await second.checksIn();
    await second.sees('before you');
    await row(demo.visits[1].patient_name).getByText('No. 2 in line').waitFor();
    await looksRight(desk, 'today-two-wait');
    await looksRight(second, 'waiting-second');
  });

  step('a reload and a killed server take nobody’s place', async () => {
    await second.reloadsWaiting();
    await second.sees('before you');
    const standing = async () => (await desk.api('/queue')).items.filter((item) => item.place).map(({ visit_id: id, place, waiting_since: since }) => ({ id, place, since }));
    const before = await standing();
    assert.equal(before.length, 2);
    await server.kill();
    await server.startAgain();
    assert.deepEqual(await standing(), before);
    // Both pages are back: what is said now reaches them (the steps below), and their sockets are open.
    await until(async () => (await server.metric('bedside_signaling_connections')) === 2, { what: 'both are back in their rooms' });
    assert.deepEqual(await standing(), before);
    await second.sees('before you');
    await first.sees('You are next');
    await row(demo.visits[0].patient_name).getByText('No. 1 in line').waitFor();
    await row(demo.visits[1].patient_name).getByText('No. 2 in line').waitFor();
  });

  step('on hold, one reads why and the next moves up; returned, all is as before', async () => {
    const name = demo.visits[0].patient_name;
    await deed(name, 'Hold');
    await dialog().getByRole('textbox').fill('Please have your medications at hand.');
    await looksRight(desk, 'dialog-hold');
    await dialog().getByRole('button', { name: 'Hold', exact: true }).click();
    await first.sees('Please have your medications at hand.');
    await second.sees('You are next');
    await row(name).getByText('On hold').waitFor();
    await looksRight(first, 'waiting-held');
    await looksRight(desk, 'today-held');
    await deed(name, 'Return to waiting');
    await first.sees('You are next');
    await second.sees('before you');
  });

  step('of two who decide on the same list, the second is told and nothing is done', async () => {
    const { visit_id: id, patient_name: name } = demo.visits[0];
    await deed(name, 'Hold');
    await dialog().getByRole('textbox').fill('Too late.');
    // The desk's page does not hear of the other's deed before it presses.
    await desk.page.route('**/api/v1/queue', (route) => route.abort());
    provider = await Staff.at({ base: server.base, account: demo.provider });
    await provider.signsIn();
    const { version } = (await provider.api('/queue')).items.find((item) => item.visit_id === id);
    const held = await provider.context.request.post(`/api/v1/visits/${id}/hold`, {
      data: { words: 'Coming in a minute.' },
      headers: { 'if-match': `"${version}"`, origin: server.base },
    });
    assert.equal(held.status(), 200);
    await dialog().getByRole('button', { name: 'Hold', exact: true }).click();
    await desk.sees('Somebody else, or the patient, was faster');
    await looksRight(desk, 'dialog-second-of-two');
    await desk.page.unroute('**/api/v1/queue');
    await first.sees('Coming in a minute.');
    await dialog().getByRole('button', { name: 'Cancel' }).click();
    await desk.page.reload();
    await deed(name, 'Return to waiting');
    await first.sees('You are next');
  });

  step('a provider who runs late says so once, and all who wait know', async () => {
    await provider.press('Running late');
    await looksRight(provider, 'dialog-late');
    await provider.press('Tell those who wait');
    for (const patient of [first, second]) await patient.sees('running about 15 minutes late');
    await desk.sees('about 15 minutes late');
  });

  step('an announcement reaches all who wait, until it is ended', async () => {
    await desk.press('Announce');
    await dialog().getByRole('textbox', { name: 'What to say' }).fill('Our lab closes at five today.');
    await looksRight(desk, 'dialog-announce');
    await desk.press('Say it');
    for (const patient of [first, second]) await patient.sees('Our lab closes at five today.');
    await looksRight(second, 'waiting-told');
    await desk.press('End announcement');
    await second.page.getByText('Our lab closes at five today.').waitFor({ state: 'hidden' });
  });

  step('one who waits and the front desk write to each other', async () => {
    const name = demo.visits[1].patient_name;
    await second.page.getByRole('textbox', { name: 'Your message to the clinic' }).fill('My hearing aid is off, please write.');
    await second.press('Send');
    await deed(name, /Message \(1 new\)/);
    await dialog().getByText('My hearing aid is off, please write.').waitFor();
    await dialog().getByRole('textbox').fill('We will, no worry.');
    await dialog().getByRole('button', { name: 'Send' }).click();
    await second.sees('We will, no worry.');
    await looksRight(desk, 'dialog-chat');
    await dialog().getByRole('button', { name: 'Close' }).click();
    await row(name).getByRole('button', { name: 'Message', exact: true }).waitFor();
    await looksRight(second, 'waiting-chat');
  });

  step('who is declined reads why, and comes back by the new link', async () => {
    const name = demo.visits[1].patient_name;
    await deed(name, 'Decline');
    await dialog().getByRole('textbox').fill('Dr. Rivera was called to an emergency.');
    await looksRight(desk, 'dialog-decline');
    await dialog().getByRole('button', { name: 'Decline', exact: true }).click();
    await second.sees('Dr. Rivera was called to an emergency.');
    await second.page.getByRole('heading', { name: 'The clinic can’t see you right now' }).waitFor();
    await looksRight(second, 'declined');
    const link = await dialog().getByRole('textbox', { name: /link/i }).inputValue();
    await looksRight(desk, 'dialog-declined');
    await dialog().getByRole('button', { name: 'Close' }).click();
    await second.page.reload();
    await second.sees('Dr. Rivera was called to an emergency.');
    second.visit = { ...second.visit, patient_link: link };
    await second.opensLink();
    await second.confirmsDateOfBirth();
    await second.joinsWaitingRoom();
    await row(name).getByText('No. 2 in line').waitFor();
  });

  step('the next patient is let in from the list with one click and Admit, and the line moves up', async () => {
    await provider.page.goto(server.base + '/app/today');
    await provider.page.getByRole('link', { name: `Open visit of ${demo.visits[0].patient_name}` }).click();
    await provider.press('Admit');
    await second.sees('You are next');
    await row(demo.visits[1].patient_name).getByText('No. 1 in line').waitFor();
  });
});
