// What a person may set during a visit, and by which keys; that the site can be put on a home screen and keeps nothing there.

import assert from 'node:assert/strict';
import { after, describe, test } from 'node:test';
import { counters, seesMoving } from './lib/media.mjs';
import { Patient, Staff } from './lib/people.mjs';
import { Server } from './lib/server.mjs';
import { story } from './lib/story.mjs';
import { until } from './lib/until.mjs';

const camera = (page) => page.evaluate(() => document.querySelector('video[aria-label="Your camera"]')?.srcObject.getVideoTracks()[0].getSettings().deviceId);

describe('settings of a visit', { timeout: 180_000 }, () => {
  let server, patient, provider, names;
  const step = story(() => ({ server, people: { patient, provider } }));

  after(async () => {
    await patient?.leaveBrowser();
    await provider?.leaveBrowser();
    await server?.stop();
  });

  step('two people talk, one of them with several cameras', async () => {
    server = await Server.start();
    const demo = await server.demo();
    const visit = demo.visits[0];
    patient = await Patient.at({ base: server.base, visit, cameras: 3 });
    provider = await Staff.at({ base: server.base, account: demo.provider });
    await patient.checksIn();
    await provider.signsIn();
    names = await provider.namesIn(visit);
    await provider.opensVisit(visit);
    await provider.press('Admit');
    await Promise.all([seesMoving(provider.page, names.patient), seesMoving(patient.page, names.provider)]);
  });

  step('keys mute, turn the camera off and open the chat, and say so to screen readers', async () => {
    const mute = patient.button('Mute').first();
    assert.equal(await mute.getAttribute('aria-keyshortcuts'), 'Alt+M');
    await patient.page.keyboard.press('m');
    await patient.page.keyboard.press('Alt+m');
    await patient.button('Unmute').waitFor();
    await provider.page.getByText(`${names.patient} is muted`).waitFor({ state: 'attached' });
    await patient.page.keyboard.press('Alt+m');
    await mute.waitFor();
    await patient.page.keyboard.press('Alt+v');
    await provider.sees(`${names.patient} turned the camera off`);
    await patient.page.keyboard.press('Alt+v');
    await seesMoving(provider.page, names.patient);
    await patient.page.keyboard.press('Alt+c');
    const box = patient.page.getByRole('textbox', { name: /message/i });
    await box.waitFor();
    // A letter typed is a letter.
    await box.fill('');
    await box.press('m');
    assert.equal(await box.inputValue(), 'm');
    assert.equal(await patient.button('Mute').count(), 1);
    await patient.page.keyboard.press('Alt+c');
    await box.waitFor({ state: 'hidden' });
  });

  step('another camera is taken during the visit, and the other one goes on seeing', async () => {
    const before = await camera(patient.page);
    await patient.press('Settings');
    const dialog = patient.page.getByRole('dialog', { name: 'Settings' });
    const picker = dialog.getByRole('combobox', { name: 'Camera' });
    // Chromium's second made-up camera sends two pictures and stops; its third goes on.
    const other = await picker.locator('option').last().getAttribute('value');
    assert.notEqual(other, before);
    await picker.selectOption(other);
    await until(async () => (await camera(patient.page)) === other, { what: 'the other camera is in use' });
    const seen = (await counters(provider.page)).framesDecoded;
    await until(async () => (await counters(provider.page)).framesDecoded > seen + 10, { what: 'pictures go on' });
  });

  step('one’s own picture can be taken off the screen, and comes back', async () => {
    const dialog = patient.page.getByRole('dialog', { name: 'Settings' });
    await dialog.getByRole('checkbox', { name: 'Show my own picture' }).uncheck();
    await dialog.getByRole('button', { name: 'Done' }).click();
    await dialog.waitFor({ state: 'hidden' });
    const own = patient.page.getByLabel('Your camera', { exact: true });
    await own.waitFor({ state: 'detached' });
    assert.ok(await provider.page.getByLabel(names.patient, { exact: true }).isVisible(), 'the other one still sees it');
    await patient.press('Settings');
    await dialog.getByRole('checkbox', { name: 'Show my own picture' }).check();
    await patient.page.keyboard.press('Escape');
    await own.waitFor();
  });

  step('the other one’s picture can be put into a small window', async () => {
    await provider.press('Settings');
    await provider.page.getByRole('button', { name: 'Watch in a small window' }).click();
    await until(() => provider.page.evaluate(() => document.pictureInPictureElement?.getAttribute('aria-label')), { what: 'a small window' });
    assert.equal(await provider.page.evaluate(() => document.pictureInPictureElement.getAttribute('aria-label')), names.patient);
    await provider.page.evaluate(() => document.exitPictureInPicture());
  });

  test('at 320 px and at twice the size of text nothing is cut off', async () => {
    for (const [width, height, zoom] of [[320, 640, 1], [390, 844, 2], [640, 400, 1]]) {
      await patient.page.setViewportSize({ width, height });
      await patient.page.evaluate((size) => { document.documentElement.style.fontSize = `${size * 100}%`; }, zoom);
      const wide = await patient.page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
      assert.ok(wide <= 0, `${width} px at ${zoom}: ${wide} px too wide`);
      for (const name of ['Mute', 'Turn camera off', 'Chat', 'Settings', 'Leave']) {
        const box = await patient.button(name).first().boundingBox();
        assert.ok(box && box.x >= 0 && box.x + box.width <= width && box.y >= 0 && box.y + box.height <= height + 1, `${name} at ${width}x${height}, ${zoom}: ${JSON.stringify(box)}`);
      }
    }
    await patient.page.evaluate(() => { document.documentElement.style.fontSize = ''; });
  });

  test('it can be put on a home screen, opens where its reader belongs, and keeps no page there', async () => {
    const read = async (page) => {
      const href = await page.locator('link[rel=manifest]').getAttribute('href');
      const answer = await page.request.get(new URL(href, server.base).href);
      assert.match(answer.headers()['content-type'], /^application\/manifest\+json/);
      return answer.json();
    };
    const [ofPatient, ofStaff] = [await read(patient.page), await read(provider.page)];
    assert.deepEqual([ofPatient.start_url, ofStaff.start_url], ['/portal', '/']);
    for (const { src, type } of ofStaff.icons) {
      const icon = await provider.page.request.get(new URL(src, server.base).href);
      assert.ok(icon.ok() && icon.headers()['content-type'] === type, src);
    }
    const session = await provider.context.newCDPSession(provider.page);
    const { installabilityErrors } = await session.send('Page.getInstallabilityErrors');
    assert.deepEqual(installabilityErrors.filter(({ errorId }) => errorId !== 'in-incognito'), []);
    for (const { page } of [patient, provider]) {
      const kept = await page.evaluate(async () => ({ caches: await caches.keys(), workers: (await navigator.serviceWorker.getRegistrations()).length, databases: await indexedDB.databases() }));
      assert.deepEqual(kept, { caches: [], workers: 0, databases: [] });
    }
  });
});
