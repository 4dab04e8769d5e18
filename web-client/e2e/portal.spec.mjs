// The patients' portal on a phone: in by a link from a mail, the visits, a signed note, who looked, the second factor, out.

import assert from 'node:assert/strict';
import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe } from 'node:test';
import { PHONE, openBrowser } from './lib/browser.mjs';
import { Client, expectStatus } from './lib/http.mjs';
import { Server } from './lib/server.mjs';
import { story } from './lib/story.mjs';
import { freshCode } from './lib/totp.mjs';
import { until } from './lib/until.mjs';

const SHOTS = process.env.BEDSIDE_E2E_SHOTS;

describe('the portal', { timeout: 240_000 }, () => {
  let server, demo, visit, patient, provider;
  const people = {};
  const step = story(() => ({ server, people }));

  before(async () => {
    server = await Server.start();
    demo = await server.demo();
    visit = demo.visits[0];
    patient = demo.patients.find(({ name }) => name === visit.patient_name);
    provider = await new Client(server.base).signIn(demo.provider);
    people.patient = await openBrowser({ base: server.base, viewport: PHONE });
  });

  after(async () => {
    await people.patient?.browser.close();
    await people.other?.browser.close();
    await server?.stop();
  });

  const mails = async (to, kind) => (await (await fetch(`${server.base}/dev/outbox.json`)).json()).filter((mail) => mail.to === to && mail.kind === kind);
  const linkIn = (mail) => mail.text.split('\n').find((line) => line.includes('/portal/in#'));
  /** The link of the newest mail, once there are `count`. */
  const newestLink = async (count) => {
    const sent = await until(async () => {
      const found = await mails(patient.email, 'portal_link');
      return found.length >= count && found;
    }, { what: `${count} links were mailed` });
    return linkIn(sent[0]);
  };
  const page = () => people.patient.page;
  const button = (name) => page().getByRole('button', { name });
  const heading = (name) => page().getByRole('heading', { name, level: 1 });
  const shot = async (name) => {
    if (!SHOTS) return;
    await mkdir(SHOTS, { recursive: true });
    await page().evaluate(() => document.fonts.ready);
    await page().screenshot({ path: join(SHOTS, `${name}.png`), fullPage: true });
  };
  const asksForLink = async (email) => {
    await page().goto(`${server.base}/portal`);
    await page().getByRole('textbox', { name: /Email address/ }).fill(email);
    await button('Send me a link').click();
    await heading('Look into your mail').waitFor();
  };

  step('an unknown address gets the same answer, and no mail', async () => {
    await page().goto(`${server.base}/portal`);
    await heading('See your record').waitFor();
    await shot('01-sign-in');
    await asksForLink('nobody@patients.example');
    const unknown = await page().getByRole('main').innerText();
    await shot('02-sent');
    await asksForLink(patient.email);
    assert.equal(await page().getByRole('main').innerText().then((text) => text.replace(patient.email, 'nobody@patients.example')), unknown);
    await newestLink(1);
    assert.equal((await mails('nobody@patients.example', 'portal_link')).length, 0);
  });

  step('a mail scanner that opens the link, with scripts and all, uses nothing up', async () => {
    const link = await newestLink(1);
    assert.equal((await fetch(link)).status, 200);
    assert.equal((await fetch(link, { method: 'HEAD' })).status, 200);
    const scanner = await openBrowser({ base: server.base, viewport: PHONE });
    try {
      await scanner.page.goto(link);
      await scanner.page.getByRole('button', { name: 'Continue' }).waitFor();
      assert.equal(await scanner.page.evaluate(() => fetch('/api/v1/portal/me').then((answer) => answer.status)), 401);
    } finally {
      await scanner.browser.close();
    }
    await page().goto(link);
    await heading('Sign in to your record').waitFor();
    await shot('03-use-link');
    await button('Continue').click();
    await heading(`Hello, ${patient.name}`).waitFor();
    assert.ok(!page().url().includes('#'), 'the token is gone from the address');
  });

  step('a link that was used is used', async () => {
    people.other = await openBrowser({ base: server.base, viewport: PHONE });
    await people.other.page.goto(await newestLink(1));
    await people.other.page.getByRole('button', { name: 'Continue' }).click();
    await people.other.page.getByRole('heading', { name: 'This link can’t be used' }).waitFor();
  });

  step('the visit that is due is there, and leads to the waiting room\'s door', async () => {
    await page().getByRole('heading', { name: 'Coming visits' }).waitFor();
    await page().getByText(`Video visit with ${demo.provider.name}`).first().waitFor();
    await shot('04-home');
    const before = (await mails(patient.email, 'visit_link')).length;
    await button('Go to the visit').first().click();
    await page().getByRole('textbox', { name: /^Month/ }).waitFor();
    assert.equal((await mails(patient.email, 'visit_link')).length, before + 1, 'the new link is mailed as well');
  });

  step('a note is read once it is signed, and not before', async () => {
    const text = 'Knee pain for two weeks.\nAdvised ice; review in ten days.';
    const saved = expectStatus(await provider.put(`/visits/${visit.visit_id}/note`, { body: text }, { headers: { 'if-match': '"0"' } }), 200);
    const own = `/portal/visits/${visit.visit_id}/note?patient=${patient.patient_id}`;
    await page().goto(`${server.base}/portal`);
    await heading(`Hello, ${patient.name}`).waitFor();
    const status = () => page().evaluate((path) => fetch(`/api/v1${path}`).then((answer) => answer.status), own);
    assert.equal(await status(), 404, 'a draft');
    expectStatus(await provider.post(`/visits/${visit.visit_id}/note/sign`, undefined, { headers: { 'if-match': saved.headers.get('etag') } }), 200);
    assert.equal(await status(), 200);
    await page().goto(`${server.base}/portal/visits/${visit.visit_id}`);
    await page().getByText('Advised ice; review in ten days.').waitFor();
    await page().getByText(`Signed by ${demo.provider.name}`).waitFor();
    await shot('05-note');
  });

  step('another patient\'s record is not there', async () => {
    const another = demo.patients.find(({ patient_id: id }) => id !== patient.patient_id);
    const anothers = demo.visits.find(({ patient_name: name }) => name !== patient.name);
    for (const path of [
      `/portal/patients/${another.patient_id}/visits`,
      `/portal/patients/${another.patient_id}/consents`,
      `/portal/patients/${another.patient_id}/accesses`,
      `/portal/visits/${anothers.visit_id}/note?patient=${another.patient_id}`,
      `/portal/visits/${anothers.visit_id}/note?patient=${patient.patient_id}`,
    ]) assert.equal(await page().evaluate((to) => fetch(`/api/v1${to}`).then((answer) => answer.status), path), 404, path);
  });

  step('who viewed the record is told by name and role, in words and without ids', async () => {
    await page().getByRole('link', { name: /Back to your record/ }).click();
    await page().getByRole('link', { name: 'Who viewed your record' }).click();
    await heading('Who viewed your record').waitFor();
    const row = page().getByRole('listitem').filter({ hasText: demo.provider.name }).filter({ hasText: 'Wrote, signed or added to a note' });
    await row.first().waitFor();
    await row.filter({ hasText: 'Provider' }).first().waitFor();
    assert.doesNotMatch(await page().getByRole('main').innerText(), /[0-9a-f]{8}-[0-9a-f]{4}/);
    await shot('06-history');
  });

  step('what was agreed to is listed', async () => {
    const [newest] = await mails(patient.email, 'visit_link');
    await new Client(server.base).checkIn({ ...visit, patient_link: newest.text.split('\n').find((line) => line.includes('/v/')) });
    await page().getByRole('link', { name: /Back to your record/ }).click();
    await page().getByRole('link', { name: 'What you agreed to' }).click();
    await page().getByText('Agreed', { exact: true }).waitFor();
    await shot('07-consents');
  });

  step('the details are there in words, and where one is reached can be changed', async () => {
    const own = `/portal/patients/${patient.patient_id}`;
    const stored = () => page().evaluate((path) => fetch(`/api/v1${path}/details`).then((answer) => answer.json()), own);
    await page().getByRole('link', { name: /Back to your record/ }).click();
    await page().getByRole('link', { name: 'Your details' }).click();
    await heading('Your details').waitFor();
    for (const name of ['Insurance', 'Allergies', 'Medications', 'Conditions']) await page().getByRole('heading', { name, level: 2 }).waitFor();
    await page().getByRole('definition').filter({ hasText: patient.email }).waitFor();
    await shot('07a-details');
    await button('Change phone, email or address').click();
    const phone = page().getByRole('group', { name: 'Phone 1' }).getByRole('textbox', { name: 'Phone' });
    await phone.fill('12');
    await button('Add an address').click();
    const added = page().getByRole('group', { name: /^Address/ }).last();
    await added.getByRole('textbox', { name: 'Street' }).fill('12 Elm Street');
    await added.getByRole('textbox', { name: 'City' }).fill('Springfield');
    await button('Save').click();
    await page().getByRole('alert').first().waitFor();
    await shot('07b-contact-error');
    assert.equal(await phone.inputValue(), '12', 'what was typed is still there');
    assert.equal(await added.getByRole('textbox', { name: 'Street' }).inputValue(), '12 Elm Street');
    // The clinic changes the record meanwhile.
    const desk = await new Client(server.base).signIn(demo.front_desk);
    const before = await stored();
    expectStatus(await desk.put(`/patients/${patient.patient_id}`, { ...before.demographics, pronouns: 'they/them' }, { headers: { 'if-match': `"${before.version}"` } }), 200);
    await phone.fill('(312) 555-0177');
    await button('Save').click();
    await page().getByText('Somebody else changed this while you were typing').waitFor();
    assert.equal(await phone.inputValue(), '(312) 555-0177');
    await button('Save').click();
    await page().getByText('Saved. The clinic sees it at once.').waitFor();
    const { demographics } = await stored();
    assert.equal(demographics.phones[0].number, '+13125550177');
    assert.equal(demographics.addresses.at(-1).city, 'Springfield');
    assert.equal(demographics.pronouns, 'they/them', 'what the clinic changed meanwhile stays');
    await shot('07c-contact-saved');
  });

  step('a document is sent to the clinic, listed and taken out again', async () => {
    await page().getByRole('link', { name: /Back to your record/ }).click();
    await page().getByRole('link', { name: 'Documents' }).click();
    await page().getByText('No documents yet.').waitFor();
    await button('Send to the clinic').click();
    await page().getByText('Choose a file first.').waitFor();
    const letter = Buffer.from('%PDF-1.4\n1 0 obj <</Type /Catalog>> endobj\ntrailer <</Root 1 0 R>>\n%%EOF\n');
    await page().getByRole('combobox', { name: 'Kind of document' }).selectOption({ label: 'Referral letter' });
    await page().getByLabel('File').setInputFiles({ name: 'letter.pdf', mimeType: 'application/pdf', buffer: letter });
    await button('Send to the clinic').click();
    await page().getByText('letter.pdf is on your record now.').waitFor();
    const [file] = await Promise.all([page().waitForEvent('download'), page().getByRole('link', { name: 'Download letter.pdf' }).click()]);
    assert.deepEqual(await readFile(await file.path()), letter);
    await shot('07e-documents');
  });

  step('a new address counts once its link was opened and confirmed', async () => {
    const own = `/portal/patients/${patient.patient_id}`;
    const address = async () => {
      const { demographics } = await page().evaluate((path) => fetch(`/api/v1${path}/details`).then((answer) => answer.json()), own);
      return demographics.emails[0].address;
    };
    await page().getByRole('link', { name: /Back to your record/ }).click();
    await page().getByRole('link', { name: 'Your details' }).click();
    await button('Change phone, email or address').click();
    await page().getByRole('textbox', { name: 'Email' }).first().fill('moved@patients.example');
    await button('Save').click();
    await page().getByText('We sent a link to moved@patients.example.').waitFor();
    await shot('07f-new-address');
    assert.equal(await address(), patient.email);
    const [told] = await mails(patient.email, 'security_notice');
    assert.ok(!told.text.includes('moved@patients.example'));
    const [mail] = await mails('moved@patients.example', 'confirm_email');
    await page().goto(mail.text.match(/https?:\/\/\S+/)[0]);
    await heading('Confirm your email address').waitFor();
    assert.equal(await address(), patient.email, 'opening the page confirms nothing');
    await button('Continue').click();
    await heading('Your address is confirmed').waitFor();
    assert.equal(await address(), 'moved@patients.example');
    patient.email = 'moved@patients.example';
    await shot('07g-confirmed');
    await button('Go to your record').click();
    await heading(`Hello, ${patient.name}`).waitFor();
    await page().getByRole('link', { name: 'What you agreed to' }).click();
    await heading('What you agreed to').waitFor();
  });

  step('the record is downloaded as one file', async () => {
    await page().getByRole('link', { name: /Back to your record/ }).click();
    await page().getByRole('link', { name: 'Download your record' }).click();
    await heading('Download your record').waitFor();
    const [file] = await Promise.all([page().waitForEvent('download'), button('Download').click()]);
    assert.equal(file.suggestedFilename(), 'record.zip');
    const bytes = await readFile(await file.path());
    assert.equal(bytes.subarray(0, 4).toString('latin1'), 'PK\u0003\u0004');
    assert.ok(bytes.includes('fhir/bundle.json') && bytes.includes('summary.pdf'));
    await page().getByText('The file is in your downloads.').waitFor();
    await shot('07d-download');
    await page().getByRole('link', { name: /Back to your record/ }).click();
    await page().getByRole('link', { name: 'What you agreed to' }).click();
    await heading('What you agreed to').waitFor();
  });

  step('in Spanish as well', async () => {
    await button('Español').click();
    await heading('Lo que usted aceptó').waitFor();
    await page().getByRole('link', { name: /Volver a su expediente/ }).click();
    await page().getByRole('heading', { name: 'Próximas visitas' }).waitFor();
    await shot('08-home-es');
    await button('English').click();
  });

  let secret;
  step('the second factor is switched on, and asked for from then on', async () => {
    await page().getByRole('link', { name: 'Your sign-ins and security' }).click();
    await page().getByText('This device').waitFor();
    await button('Switch on').click();
    secret = (await page().locator('code').innerText()).replaceAll(' ', '');
    await shot('09-second-factor');
    await page().getByRole('textbox', { name: 'Six digits' }).fill('000000');
    await button('Switch on with this code').click();
    await page().getByText('That code is wrong').waitFor();
    await page().getByRole('textbox', { name: 'Six digits' }).fill(await freshCode(secret));
    await button('Switch on with this code').click();
    await page().getByText('Every sign-in also asks for a code').waitFor();

    await asksForLinkElsewhere();
  });

  const asksForLinkElsewhere = async () => {
    const other = people.other.page;
    const already = (await mails(patient.email, 'portal_link')).length;
    await other.goto(`${server.base}/portal`);
    await other.getByRole('textbox', { name: /Email address/ }).fill(patient.email);
    await other.getByRole('button', { name: 'Send me a link' }).click();
    await other.goto(await newestLink(already + 1));
    await other.getByRole('button', { name: 'Continue' }).click();
    await other.getByRole('heading', { name: 'Your code' }).waitFor();
    assert.equal(await other.evaluate(() => fetch('/api/v1/portal/me').then((answer) => answer.status)), 401, 'the link alone is not enough');
    await other.getByRole('textbox', { name: 'Six digits' }).fill(await freshCode(secret));
    await other.getByRole('button', { name: 'Continue' }).click();
    await other.getByRole('heading', { name: `Hello, ${patient.name}` }).waitFor();
  };

  step('a sign-in elsewhere can be ended from here', async () => {
    await page().reload();
    await page().getByText('This device').waitFor();
    await shot('10-sessions');
    const elsewhere = page().getByRole('listitem').filter({ hasText: 'End this sign-in' }).filter({ hasNotText: 'This device' });
    assert.equal(await elsewhere.count(), 1);
    await elsewhere.getByRole('button').click();
    await elsewhere.waitFor({ state: 'detached' });
    assert.equal(await people.other.page.evaluate(() => fetch('/api/v1/portal/me').then((answer) => answer.status)), 401);
  });

  step('signing out ends it here', async () => {
    await page().getByRole('link', { name: /Back to your record/ }).click();
    await button('Sign out').click();
    await heading('See your record').waitFor();
    assert.equal(await page().evaluate(() => fetch('/api/v1/portal/me').then((answer) => answer.status)), 401);
  });
});
