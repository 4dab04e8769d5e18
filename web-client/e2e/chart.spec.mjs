// A patient's record as staff work with it: put on record, changed, its history, lists, duplicates, the export.

import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { after, before, describe, test } from 'node:test';
import { DESK, PHONE } from './lib/browser.mjs';
import { Client, expectStatus } from './lib/http.mjs';
import { Staff } from './lib/people.mjs';
import { Server } from './lib/server.mjs';

/** Somebody at the front desk or a provider, in the pages of records. */
class Reader extends Staff {
  static async at(options) {
    return Object.assign(new Reader(), await super.at(options));
  }

  async opensChart(id) {
    await this.page.goto(new URL(`/app/patients/${id}`, this.base).href);
    await this.page.getByRole('heading', { level: 1 }).waitFor();
  }

  field(name) {
    return this.page.getByRole('dialog').getByLabel(name, { exact: true });
  }

  get dialog() {
    return this.page.getByRole('dialog');
  }

  section(name) {
    return this.page.getByRole('region', { name, exact: true });
  }

  async saves() {
    await this.dialog.getByRole('button', { name: 'Save', exact: true }).click();
  }
}

describe('a patient’s record', { timeout: 240_000 }, () => {
  let server, demo, desk, provider;
  const people = [];
  const open = async (account, viewport = DESK) => {
    const person = await Reader.at({ base: server.base, account, viewport });
    people.push(person);
    await person.signsIn();
    return person;
  };
  const named = (name) => demo.patients.find((one) => one.name === name).patient_id;

  before(async () => {
    server = await Server.start();
    demo = await server.demo();
    desk = await open(demo.front_desk);
    provider = await open(demo.provider);
    // Who has a visit due depends on the hour; these tests are about the record, so the provider is assigned to everybody.
    const { staff_id } = await provider.api('/me');
    const client = new Client(server.base).takeCookies(await desk.context.cookies());
    for (const { patient_id } of demo.patients) expectStatus(await client.post(`/patients/${patient_id}/care-team`, { staff_id }), 201);
  });

  after(async () => {
    for (const person of people) await person.leaveBrowser();
    await server?.stop();
  });

  test('the front desk finds a patient by the beginning of a name and sees no clinical list', async () => {
    await desk.page.getByRole('link', { name: 'Patients', exact: true }).click();
    await desk.page.getByRole('textbox', { name: 'Name' }).fill('whit');
    await desk.page.getByRole('button', { name: 'Search' }).click();
    await desk.page.getByRole('link', { name: 'Eleanor Whitfield' }).click();
    await desk.page.getByRole('heading', { level: 1, name: 'Eleanor Ruth Whitfield' }).waitFor();
    assert.ok(!desk.page.url().includes('whit'), 'what is searched for stands in no address');
    await desk.section('Insurance').getByText('Prairie Mutual').waitFor();
    const page = await desk.page.content();
    for (const clinical of ['Penicillin', 'Lisinopril', 'hypertension']) assert.ok(!page.includes(clinical), clinical);
  });

  test('the provider sees allergies first and an entry says who changed what', async () => {
    await provider.opensChart(named('Eleanor Whitfield'));
    await provider.page.getByText('Allergies: Penicillin, Adhesive tape').waitFor();
    const medications = provider.section('Medications');
    await medications.getByText('Lisinopril 20 mg tablet').click();
    await medications.getByRole('button', { name: 'Change Lisinopril 20 mg tablet' }).click();
    await provider.field('Dose').fill('half a tablet');
    await provider.saves();
    await medications.getByText('half a tablet').first().waitFor();
    await medications.getByRole('button', { name: 'History of Lisinopril 20 mg tablet' }).click();
    await provider.dialog.getByRole('deletion').getByText('1 tablet').waitFor();
    await provider.dialog.getByRole('insertion').getByText('half a tablet').waitFor();
    assert.match(await provider.dialog.innerText(), /by Dr\. Maya Chen/);
    await provider.dialog.getByRole('button', { name: 'Close' }).click();
  });

  test('what was typed survives a refusal and somebody else’s change', async () => {
    const id = named('Marcus Bell');
    await provider.opensChart(id);
    const conditions = provider.section('Conditions');
    await conditions.getByText('Asthma, mild intermittent').click();
    await conditions.getByRole('button', { name: 'Change Asthma, mild intermittent' }).click();
    await provider.field('ICD-10-CM code').fill('asthma');
    await provider.field('Note').fill('Typed with care.');
    await provider.saves();
    await provider.dialog.getByText('an ICD-10-CM code like E11.9').waitFor();
    assert.equal(await provider.field('Note').inputValue(), 'Typed with care.');
    await provider.field('ICD-10-CM code').fill('j4521');

    const lists = await provider.api(`/patients/${id}/clinical`);
    const asthma = lists.items.find((item) => item.document.entry.icd10 === 'J45.20');
    const other = new Client(server.base).takeCookies(await provider.context.cookies());
    const theirs = { list: 'condition', entry: { ...asthma.document.entry, text: 'Asthma, well controlled' } };
    expectStatus(await other.put(`/patients/${id}/clinical/${asthma.entry_id}`, theirs, { headers: { 'if-match': `"${asthma.version}"` } }), 200);
    await provider.saves();
    await provider.dialog.getByText('Asthma, well controlled').waitFor();
    assert.equal(await provider.field('Note').inputValue(), 'Typed with care.');
    await provider.saves();
    await provider.dialog.waitFor({ state: 'detached' });
    const now = (await provider.api(`/patients/${id}/clinical`)).items.find((item) => item.entry_id === asthma.entry_id);
    assert.deepEqual([now.document.entry.icd10, now.document.entry.note, now.version], ['J45.21', 'Typed with care.', asthma.version + 2]);
  });

  test('no known allergies is said by somebody, and an allergy takes it back', async () => {
    await provider.opensChart(named('Amara Okafor'));
    await provider.page.getByText('Allergies: not asked yet').waitFor();
    await provider.press('No known allergies');
    await provider.section('Allergies').getByText('Somebody asked: there are none.').waitFor();
    await provider.press('Add to Allergies');
    await provider.field('Substance').fill('Latex');
    await provider.saves();
    await provider.page.getByText('Allergies: Latex').waitFor();
    await provider.section('Allergies').getByText('Latex', { exact: true }).click();
    await provider.press('Mark Latex as entered in error');
    await provider.field('Why it is an error').fill('Meant for another patient');
    await provider.dialog.getByRole('button', { name: 'Mark as error' }).click();
    await provider.page.getByText('Allergies: not asked yet').waitFor();
    await provider.section('Allergies').getByText('1 entered in error').click();
    await provider.section('Allergies').getByText('Latex', { exact: true }).click();
    await provider.section('Allergies').getByText('Entered in error: Meant for another patient').waitFor();
  });

  test('somebody who is on record already is noticed, put there twice all the same, and merged', async () => {
    await desk.page.goto(new URL('/app/patients/new', server.base).href);
    const fill = (name, text) => desk.page.getByLabel(name, { exact: true }).fill(text);
    await fill('First name', 'Amara');
    await fill('Last name', 'Okafor-Bright');
    await fill('Date of birth', '2001-01-09');
    await desk.press('Put on record');
    await desk.page.getByRole('heading', { name: 'Is this somebody you know already?' }).waitFor();
    await desk.page.getByRole('link', { name: 'Open Amara Okafor' }).waitFor();
    await desk.press('This is another person');
    await desk.page.getByRole('heading', { level: 1, name: 'Amara Okafor-Bright' }).waitFor();
    const twin = desk.page.url().split('/').pop();
    const { mrn } = await desk.api(`/patients/${twin}`);
    assert.match(mrn, /^P-\d{6}-\d$/);

    await desk.opensChart(named('Amara Okafor'));
    await desk.press('Find duplicates');
    await desk.page.getByRole('link', { name: 'Compare with Amara Okafor-Bright' }).click();
    await desk.page.getByRole('radio', { name: 'Take Amara Okafor-Bright' }).check();
    await desk.press('Merge');
    await desk.confirms('Merge');
    await desk.page.getByRole('heading', { level: 1, name: 'Amara Okafor-Bright' }).waitFor();
    await desk.section('Merged records').getByText(mrn).waitFor();
    await desk.opensChart(twin);
    await desk.page.getByText('The record you asked for was merged into this one.').waitFor();

    await desk.press('Take Amara Okafor-Bright out again');
    await desk.dialog.getByRole('button', { name: 'Take out again' }).click();
    // This address is that of the record that was taken out, which stands for itself again.
    await desk.page.getByText('The record you asked for was merged into this one.').waitFor({ state: 'detached' });
    await desk.opensChart(named('Amara Okafor'));
    await desk.page.getByRole('heading', { level: 1, name: 'Amara Chiamaka Okafor' }).waitFor();
    assert.equal((await desk.api(`/patients/${named('Amara Okafor')}`)).aliases.length, 0);
  });

  test('the provider takes the whole record out as a file', async () => {
    // A second factor given just now.
    const fresh = await open(demo.provider, PHONE);
    await fresh.opensChart(named('Eleanor Whitfield'));
    await fresh.press('Export record');
    const [file] = await Promise.all([fresh.page.waitForEvent('download'), fresh.dialog.getByRole('button', { name: 'Export', exact: true }).click()]);
    assert.match(file.suggestedFilename(), /\.zip$/);
    const bytes = await readFile(await file.path());
    assert.equal(bytes.subarray(0, 2).toString(), 'PK');
    assert.ok(bytes.includes('fhir/bundle.json') && bytes.includes('summary.pdf'));
    await fresh.page.getByText('The file is in your downloads.').waitFor();
  });

  test('the front desk keeps who acts for a patient and who is assigned to them', async () => {
    await desk.opensChart(named('Amara Okafor'));
    const people = desk.section('Guardians and care team');
    const dialog = desk.page.getByRole('dialog');
    await people.getByRole('button', { name: 'Add a guardian' }).click();
    await dialog.getByRole('button', { name: 'Add', exact: true }).click();
    await dialog.getByText('Type the name.').waitFor();
    await dialog.getByRole('textbox', { name: 'Whole name' }).fill('Ruth Lopez');
    await dialog.getByRole('combobox', { name: 'Relationship' }).selectOption({ label: 'Legal guardian' });
    await dialog.getByRole('textbox', { name: 'Email' }).fill('ruth@guardians.example');
    await dialog.getByRole('button', { name: 'Add', exact: true }).click();
    await people.getByText('Legal guardian, acts in everything').waitFor();
    for (const name of ['Ruth Lopez', demo.provider.name]) {
      await people.getByRole('button', { name: `End for ${name}` }).click();
      await dialog.getByRole('button', { name: 'End', exact: true }).click();
      await people.getByRole('button', { name: `End for ${name}` }).waitFor({ state: 'detached' });
    }
    await people.getByText('Nobody yet.').waitFor();
    await people.getByRole('button', { name: 'Assign somebody' }).click();
    await dialog.getByRole('combobox', { name: 'Provider or nurse' }).selectOption({ label: `${demo.provider.name}, Provider` });
    await dialog.getByRole('button', { name: 'Add', exact: true }).click();
    await people.getByText('Provider, assigned').waitFor();
    await people.getByRole('button', { name: 'Assign somebody' }).click();
    await dialog.getByText('Every provider and nurse is assigned already.').waitFor();
    await dialog.getByRole('button', { name: 'Cancel' }).click();
  });

  test('an administrator sees who a patient is and nothing else', async () => {
    const admin = await open(demo.clinic_admin);
    await admin.opensChart(named('Eleanor Whitfield'));
    await admin.section('About').getByText('March 14, 1958').waitFor();
    const page = await admin.page.content();
    for (const hidden of ['Penicillin', 'Prairie Mutual', 'Export record']) assert.ok(!page.includes(hidden), hidden);
  });
});
