// Staff prove who they are: invited, a password, an authenticator app, a security key, sessions, and access that ends.
// The key is Chromium's own virtual authenticator; the mail is what the demonstration shows at /dev/outbox.json.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { promisify } from 'node:util';
import { Staff } from './lib/people.mjs';
import { Server, runToEnd } from './lib/server.mjs';
import { codeAt } from './lib/totp.mjs';
import { until } from './lib/until.mjs';

const PASSWORD = 'tin kettle over the fence';
const NEWER = 'a lantern behind the barn';

/** In the page: password and key, without the forms. False if there were too many tries lately. */
async function signInByKey({ email, password }) {
  const ask = (path, body) => fetch(`/api/v1/auth/${path}`, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) });
  const first = await ask('sign-in', { email, password });
  if (first.status === 429) return false;
  const options = await (await fetch('/api/v1/auth/webauthn/options', { method: 'POST' })).json();
  const publicKey = PublicKeyCredential.parseRequestOptionsFromJSON(options);
  const credential = await navigator.credentials.get({ publicKey });
  const second = await ask('webauthn', { answer: credential.toJSON() });
  if (!second.ok) throw new Error(`${second.status} ${await second.text()}`);
  return true;
}

/** In the page: a visit of one's own, far from all others. */
async function book({ patient, provider }) {
  const start = Date.now() + 20 * 24 * 3_600_000;
  const body = { patient_id: patient, provider_id: provider, starts_at: new Date(start).toISOString(), ends_at: new Date(start + 1_800_000).toISOString(), visit_type: 'video', reason: 'Follow-up' };
  const answer = await fetch('/api/v1/appointments', { method: 'POST', headers: { 'content-type': 'application/json', 'idempotency-key': crypto.randomUUID() }, body: JSON.stringify(body) });
  return (await answer.json()).visit_id;
}

/** In the page: takes the seat of this visit by websocket; `window.ended` resolves with the last word. */
async function takeSeat(visit) {
  const { ticket } = await (await fetch(`/api/v1/visits/${visit}/ticket`, { method: 'POST' })).json();
  const socket = new WebSocket(`${location.origin.replace('http', 'ws')}/signal`, 'bedside.v1');
  await new Promise((resolve) => {
    window.ended = new Promise((end) => {
      socket.onmessage = (event) => {
        const message = JSON.parse(event.data);
        if (message.type === 'welcome') resolve();
        if (message.type === 'closed') end(message);
      };
    });
    socket.onopen = () => socket.send(JSON.stringify({ type: 'hello', ticket }));
  });
}

describe('identity of staff', { timeout: 300_000 }, () => {
  let server, base, demo, admin, member;
  let secret = '';

  before(async () => {
    server = await Server.start();
    // Browsers make keys for names only, not for bare addresses.
    base = server.base.replace('127.0.0.1', 'localhost');
    demo = await server.demo();
    admin = await Staff.at({ base, account: demo.clinic_admin });
    member = await Staff.at({ base, account: { email: 'ana.ruiz@riverside.example', password: PASSWORD } });
    const cdp = await member.context.newCDPSession(member.page);
    await cdp.send('WebAuthn.enable');
    await cdp.send('WebAuthn.addVirtualAuthenticator', {
      options: { protocol: 'ctap2', transport: 'usb', hasResidentKey: false, hasUserVerification: true, isUserVerified: true, automaticPresenceSimulation: true },
    });
  });

  after(async () => {
    await Promise.all([admin?.leaveBrowser(), member?.leaveBrowser()]);
    await server?.stop();
  });

  /** The link in the latest mail to this person. */
  async function mailedLink(to, path) {
    const found = await until(
      async () => {
        const mails = await (await fetch(`${server.base}/dev/outbox.json`)).json();
        return mails.find((mail) => mail.to === to && mail.text.includes(path));
      },
      { what: `a mail with ${path} to ${to}` },
    );
    return new URL(found.text.match(new RegExp(`https?://\\S+${path}\\S+`))[0]).pathname;
  }

  /** Changes rows as the database's owner: a test can't wait for what takes minutes or hours. */
  async function sql(statement) {
    const socket = join(server.data, 'postgres', 'socket');
    await promisify(execFile)('psql', ['-h', socket, '-U', 'bedside_owner', '-d', 'bedside', '-qc', statement]);
  }

  const factorsGrowOld = () => sql("UPDATE session SET second_factor_at = now() - interval '6 minutes' WHERE second_factor_at IS NOT NULL");
  const factorsAreFresh = () => sql('UPDATE session SET second_factor_at = now() WHERE second_factor_at IS NOT NULL');

  /** What the administrator asks of the API. */
  async function adminAsks(method, path, data) {
    const answer = await admin.context.request.fetch(`${base}/api/v1${path}`, { method, headers: { origin: base }, data });
    assert.ok(answer.ok(), `${method} ${path}: ${answer.status()} ${await answer.text()}`);
    return answer.status() === 204 ? null : answer.json();
  }

  async function invites(name, email) {
    await admin.press('Invite somebody');
    const dialog = admin.page.getByRole('dialog');
    await dialog.getByRole('textbox', { name: 'Name' }).fill(name);
    await dialog.getByRole('textbox', { name: 'Email' }).fill(email);
    await dialog.getByRole('combobox', { name: 'Role' }).selectOption({ label: 'Provider' });
    await dialog.getByRole('button', { name: 'Send invitation' }).click();
    await admin.sees(`An invitation is on its way to ${email}.`);
  }

  test('an invited person chooses a password, sets up an app, and is in', async () => {
    await admin.signsIn();
    await admin.page.goto(`${base}/app/staff`);
    await invites('Ana Ruiz', member.account.email);
    await admin.page.getByRole('row', { name: /Ana Ruiz/ }).getByText(/^Invited until/).waitFor();

    await member.page.goto(base + (await mailedLink(member.account.email, '/invitation/')));
    await member.sees('Welcome, Ana Ruiz');
    await member.page.getByLabel('New password').fill('anaruiz12345');
    await member.page.getByLabel('The same password again').fill('anaruiz12345');
    await member.press('Continue');
    await member.sees('That is made of your name or email.');
    await member.page.getByLabel('New password').fill(PASSWORD);
    await member.page.getByLabel('The same password again').fill(PASSWORD);
    await member.press('Continue');
    await member.press('Use an authenticator app');
    await member.page.getByRole('img', { name: 'QR code with the key' }).waitFor();
    secret = (await member.page.locator('code').first().innerText()).replace(/\s/g, '');
    await member.page.getByLabel('Code that the app shows now').fill(codeAt(secret, Math.floor(Date.now() / 30_000)));
    await member.press('Confirm code');
    await member.sees('Keep your recovery codes');
    assert.equal(await member.page.getByRole('list', { name: 'Recovery codes' }).getByRole('listitem').count(), 10);
    await member.press('I have kept them');
    await member.button('Sign out').first().waitFor();
  });

  test('a link that was used opens nothing any more', async () => {
    const link = await mailedLink(member.account.email, '/invitation/');
    const stranger = await Staff.at({ base, account: member.account });
    try {
      await stranger.page.goto(base + link);
      await stranger.sees('This link can’t be used');
    } finally {
      await stranger.leaveBrowser();
    }
  });

  test('a security key is added and signs in without a code', async () => {
    await member.page.goto(`${base}/app/account`);
    await member.press('Add security key');
    const dialog = member.page.getByRole('dialog');
    await dialog.getByLabel('Name').fill('Blue key');
    await dialog.getByRole('button', { name: 'Add security key' }).click();
    await dialog.waitFor({ state: 'hidden' });
    await member.page.getByRole('listitem').filter({ hasText: 'Blue key' }).waitFor();
    await member.press('Sign out');
    await member.page.getByRole('textbox', { name: /^Email/ }).fill(member.account.email);
    await member.page.getByLabel(/^Password/).fill(PASSWORD);
    await member.press('Sign in');
    await member.press('Use security key');
    await member.button('Sign out').first().waitFor();
  });

  test('what is sensitive asks for the second factor again and is then done without being asked twice', async () => {
    await member.page.goto(`${base}/app/account`);
    await factorsGrowOld();
    await member.press('Make new codes');
    const question = member.page.getByRole('dialog', { name: 'Make new recovery codes?' });
    await question.getByRole('button', { name: 'Make new codes' }).click();
    const confirm = member.page.getByRole('dialog', { name: 'Confirm that it is you' });
    await confirm.getByRole('button', { name: 'Use security key' }).click();
    await member.page.getByRole('dialog', { name: 'Keep your recovery codes' }).waitFor();
    assert.equal(await member.page.getByRole('list', { name: 'Recovery codes' }).getByRole('listitem').count(), 10);
    await member.press('I have kept them');

    await factorsGrowOld();
    await member.press('Make new codes');
    await question.getByRole('button', { name: 'Make new codes' }).click();
    await confirm.getByRole('button', { name: 'Cancel' }).click();
    await member.sees('This was not done');
    await question.getByRole('button', { name: 'Cancel' }).click();
  });

  test('a session elsewhere is listed and ended, and its page closes within a second', async () => {
    const elsewhere = await Staff.at({ base, account: { ...member.account, totp_secret: secret } });
    try {
      // The key is not in this browser: a code will do.
      await elsewhere.page.goto(base);
      await elsewhere.page.getByRole('textbox', { name: /^Email/ }).fill(member.account.email);
      await elsewhere.page.getByLabel(/^Password/).fill(PASSWORD);
      await elsewhere.press('Sign in');
      await elsewhere.press('Use a code from an app instead');
      await elsewhere.page.getByLabel('Authentication code').fill(codeAt(secret, Math.floor(Date.now() / 30_000) + 1));
      await elsewhere.press('Continue');
      await elsewhere.button('Sign out').first().waitFor();

      await member.page.reload();
      await member.button('Sign out Chrome').first().click();
      await member.sees('Signed out there.');
      await elsewhere.page.getByRole('textbox', { name: /^Email/ }).waitFor({ timeout: 1_000 });
      await member.button('Sign out').first().waitFor();
    } finally {
      await elsewhere.leaveBrowser();
    }
  });

  test('changing the password keeps this session alone', async () => {
    await factorsAreFresh();
    await member.press('Change password');
    const dialog = member.page.getByRole('dialog', { name: 'Change password' });
    await dialog.getByLabel('Password you use now').fill(PASSWORD);
    await dialog.getByLabel('New password').fill(NEWER);
    await dialog.getByLabel('The same password again').fill(NEWER);
    await dialog.getByRole('button', { name: 'Change password' }).click();
    await member.sees('Your password is changed.');
    await member.page.reload();
    await member.button('Sign out').first().waitFor();
  });

  test('a socket ends within a second with the session that opened it, whatever ends that', async (t) => {
    const { items } = await adminAsks('GET', '/staff');
    const { id } = items.find((item) => item.email === member.account.email);
    const own = `staff_id = '${id}' AND ended_at IS NULL`;
    const ends = {
      'an administrator ends it': () => adminAsks('DELETE', `/staff/${id}/sessions`),
      'it is too old': () => sql(`UPDATE session SET expires_at = now() WHERE ${own}`),
      'nobody was there for 15 minutes': () => sql(`UPDATE session SET last_seen_at = now() - interval '15 minutes' WHERE ${own}`),
      'the role changes': () => adminAsks('PUT', `/staff/${id}/role`, { role: 'nurse' }),
    };
    await member.page.goto(`${base}/forgot`);
    let visit;
    for (const [what, end] of Object.entries(ends)) {
      const credentials = { email: member.account.email, password: NEWER };
      await until(() => member.page.evaluate(signInByKey, credentials), { what: 'the next sign-in is due', within: 90_000, every: 1_000 });
      visit ??= await member.page.evaluate(book, { patient: demo.patients[0].patient_id, provider: id });
      await member.page.evaluate(takeSeat, visit);
      await factorsAreFresh();
      const begun = performance.now();
      await end();
      const { reason } = await member.page.evaluate(() => window.ended);
      const ms = performance.now() - begun;
      t.diagnostic(`${what}: the socket was closed after ${Math.round(ms)} ms`);
      assert.equal(reason, 'revoked', what);
      assert.equal(await member.page.evaluate(() => fetch('/api/v1/me').then((answer) => answer.status)), 401, what);
      assert.ok(ms < 1_000, `${what}: ${ms} ms`);
    }
  });

  test('deactivating closes the open page within a second', async () => {
    const credentials = { email: member.account.email, password: NEWER };
    await until(() => member.page.evaluate(signInByKey, credentials), { what: 'the next sign-in is due', within: 90_000, every: 1_000 });
    await member.page.goto(`${base}/app/today`);
    await member.button('Sign out').first().waitFor();
    await factorsAreFresh();
    await admin.page.goto(`${base}/app/staff`);
    await admin.press('Manage Ana Ruiz');
    const dialog = admin.page.getByRole('dialog', { name: 'Ana Ruiz' });
    await dialog.getByRole('button', { name: 'Deactivate' }).click();
    await dialog.getByText('Ana Ruiz can’t sign in any more.').waitFor();
    await member.page.getByRole('textbox', { name: /^Email/ }).waitFor({ timeout: 1_000 });
    assert.equal(await member.page.evaluate(() => fetch('/api/v1/me').then((answer) => answer.status)), 401);
  });

  test('somebody who lost everything gets a new second factor by an administrator, who can’t do it for themselves', async () => {
    const { items } = await adminAsks('GET', '/staff');
    await factorsAreFresh();
    await adminAsks('POST', `/staff/${items.find((item) => item.email === member.account.email).id}/reactivate`);
    await admin.page.goto(`${base}/app/staff`);
    await admin.press('Manage Ana Ruiz');
    const dialog = admin.page.getByRole('dialog', { name: 'Ana Ruiz' });
    await dialog.getByRole('button', { name: 'Reset second factors' }).click();
    await dialog.getByText('Say in a few words how you made sure who asks.').waitFor();
    await dialog.getByRole('textbox', { name: 'How you made sure' }).fill('Came by with her badge');
    await dialog.getByRole('button', { name: 'Reset second factors' }).click();
    await dialog.getByText('The second factors of Ana Ruiz are gone.').waitFor();
    await dialog.getByRole('button', { name: 'Close' }).last().click();
    const self = items.find((item) => item.email === demo.clinic_admin.email);
    await admin.press(`Manage ${self.name}`);
    await admin.page.getByRole('dialog', { name: self.name }).getByRole('button', { name: 'Deactivate' }).waitFor();
    assert.equal(await admin.button('Reset second factors').count(), 0);

    await member.page.goto(base);
    await member.page.getByRole('textbox', { name: /^Email/ }).fill(member.account.email);
    await member.page.getByLabel(/^Password/).fill(NEWER);
    await until(async () => {
      if (await member.button('Sign in').isVisible()) await member.press('Sign in');
      return member.button('Use an authenticator app').isVisible();
    }, { what: 'the next sign-in is due', within: 90_000, every: 1_000 });
    assert.equal(await member.page.evaluate(() => fetch('/api/v1/me').then((answer) => answer.status)), 401);
  });

  test('an administrator changes what the clinic has decided', async () => {
    await factorsAreFresh();
    await admin.page.goto(`${base}/app/settings`);
    const days = admin.page.getByRole('textbox', { name: /^Days that care lasts/ });
    assert.equal(await days.inputValue(), '30');
    await days.fill('0');
    await admin.press('Save settings');
    await admin.sees('Care lasts 1 to 3650 days after a visit. Type a number of those.');
    await days.fill('45');
    await admin.page.getByRole('checkbox', { name: /^Patients may play recordings/ }).check();
    await admin.press('Save settings');
    await admin.sees('The settings are saved.');
    await admin.page.getByRole('textbox', { name: /^Letters that new numbers/ }).fill('xy');
    await admin.press('Save letters');
    await admin.page.getByText(/^Saved\. The next number will be XY-/).waitFor();
    await admin.page.reload();
    await days.waitFor();
    assert.equal(await days.inputValue(), '45');
    assert.ok(await admin.page.getByRole('checkbox', { name: /^Patients may play recordings/ }).isChecked());
  });

  test('a clinic’s first administrator is invited on the command line', async () => {
    const args = ['staff', 'invite', '--email', 'first@hilltop.example', '--name', 'First Admin', '--role', 'clinic_admin'];
    const made = await runToEnd([...args, '--clinic', 'Hilltop Clinic', '--phone', '+1 312 555 0142', '--time-zone', 'America/Chicago', '--data', server.data]);
    assert.equal(made.code, 0, made.stderr);
    const link = made.stdout.match(/https?:\/\/\S+\/invitation\/\S+/)[0];
    const first = await Staff.at({ base, account: {} });
    try {
      await first.page.goto(base + new URL(link).pathname);
      await first.sees('Hilltop Clinic invites you as Administrator');
    } finally {
      await first.leaveBrowser();
    }
    const unknown = await runToEnd([...args, '--role', 'patient', '--data', server.data]);
    assert.notEqual(unknown.code, 0);
  });
});
