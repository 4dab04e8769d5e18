// Who is not on our pages, or not who they seem: forged requests, planted sessions, scanners of links, guessers of accounts.

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { Client, expectStatus, tokenOf } from '../web-client/e2e/lib/http.mjs';
import { Server } from '../web-client/e2e/lib/server.mjs';
import { freshCode } from '../web-client/e2e/lib/totp.mjs';
import { castOf, operationsOf } from './lib/cast.mjs';
import { execute, rows } from './lib/database.mjs';
import { unlimited } from './lib/limits.mjs';
import { pathOf, sample } from './lib/samples.mjs';

/** What another site's page, or a page of none, can make a browser send. */
const FORGERIES = {
  'no origin': {},
  'another site': { origin: 'https://evil.example' },
  'our name on another site': ({ base }) => ({ origin: `${base}.evil.example` }),
  'another port of our host': ({ port }) => ({ origin: `http://127.0.0.1:${port + 1}` }),
  'our host without TLS or with it': ({ port }) => ({ origin: `https://127.0.0.1:${port}` }),
  'a sandboxed frame': { origin: 'null' },
  'another site by fetch metadata': { 'sec-fetch-site': 'cross-site' },
  'another host of the same site': { 'sec-fetch-site': 'same-site' },
  'another site that also lies about it': { origin: 'https://evil.example', 'sec-fetch-site': 'same-origin' },
};

/** An answer without what differs from one to the next in any case. */
function faceOf({ status, headers, body }) {
  const { request_id: _, ...rest } = body ?? {};
  const shown = [...headers].filter(([name]) => !['date', 'x-request-id', 'content-length'].includes(name));
  return { status, body: rest, headers: Object.fromEntries(shown) };
}

/** What the server writes by itself. */
const ITS_OWN = ['audit_seal'];

/** How many rows there are of every table. */
async function everything(server) {
  const tables = await rows(server.data, `SELECT tablename AS name FROM pg_tables WHERE schemaname = 'public' AND tablename <> ALL ('{${ITS_OWN.join()}}')`);
  const counts = await rows(server.data, tables.map(({ name }) => `SELECT '${name}' AS name, count(*) AS rows FROM "${name}"`).join(' UNION ALL '));
  return Object.fromEntries(counts.map(({ name, rows: n }) => [name, n]));
}

describe('requests that were not made on our pages', { timeout: 600_000 }, () => {
  let server, cast, document, operations;

  before(async () => {
    server = await Server.start({ env: unlimited() });
    cast = await castOf(server);
    ({ document, operations } = await operationsOf(server));
  });
  after(() => server?.stop());

  /** A client without a word about where its page is from; `Client` says `origin` by itself. */
  const send = (client, method, path, { headers, body }) =>
    fetch(new URL(`/api/v1${path.replace('/api/v1', '')}`, server.base), { method, redirect: 'manual', headers: { cookie: client.cookie, ...headers }, body });

  test('every route that changes something refuses them, whoever is signed in, and nothing changes', async () => {
    const changing = operations.filter(({ method }) => method !== 'GET');
    assert.ok(changing.length > 10);
    const existing = await everything(server);
    const wrong = [];
    for (const [who, { client, ids }] of Object.entries(cast)) {
      for (const one of changing) {
        const { method, path, operation } = one;
        const schema = operation.requestBody?.content?.['application/json']?.schema;
        const body = schema && JSON.stringify(sample(document, schema, ids));
        for (const [what, forged] of Object.entries(FORGERIES)) {
          const headers = { ...(typeof forged === 'function' ? forged(server) : forged), 'if-match': '"0"', 'idempotency-key': 'forged', ...(body ? { 'content-type': 'application/json' } : {}) };
          const answer = await send(client, method, pathOf(one, ids), { headers, body });
          const { code } = await answer.json().catch(() => ({}));
          if (answer.status !== 403 || code !== 'origin.foreign') wrong.push(`${who}, ${what}: ${method} ${path} is answered with ${answer.status} ${code}`);
        }
      }
    }
    assert.deepEqual(wrong, []);
    assert.deepEqual(await everything(server), existing);
  });

  test('a form of our own pages cannot stand in for JSON either', async () => {
    const { client, ids } = cast.front_desk;
    for (const one of operations) {
      const { method, path, operation } = one;
      const schema = operation.requestBody?.content?.['application/json']?.schema;
      if (!schema) continue;
      for (const kind of ['application/x-www-form-urlencoded', 'multipart/form-data; boundary=x', 'text/plain', 'text/plain; application/json', '']) {
        const headers = { origin: server.base, 'idempotency-key': 'form', ...(kind ? { 'content-type': kind } : {}) };
        const answer = await send(client, method, pathOf(one, ids), { headers, body: new TextEncoder().encode(JSON.stringify(sample(document, schema, ids))) });
        assert.ok([401, 403, 404, 415].includes(answer.status), `${method} ${path} as ${kind}: ${answer.status}`);
      }
    }
  });
});

describe('sessions that somebody else chose, or saw', { timeout: 300_000 }, () => {
  let server, demo;

  before(async () => {
    server = await Server.start({ env: unlimited() });
    demo = await server.demo();
  });
  after(() => server?.stop());

  const cookieOf = (answer, name) => answer.headers.getSetCookie().find((line) => line.startsWith(`${name}=`));
  const valueOf = (line) => line.split(';')[0].split('=').slice(1).join('=');

  function isHardened(line) {
    for (const attribute of [/; *HttpOnly/i, /; *Secure/i, /; *SameSite=Lax/i, /; *Path=\/(;|$)/i]) assert.match(line, attribute);
    assert.doesNotMatch(line, /; *Domain=/i);
  }

  test('staff: the session changes at sign-in and at the second factor, and a planted one never becomes good', async () => {
    const { email, password, totp_secret: secret } = demo.provider;
    const planted = 'A'.repeat(43);
    const attacker = (cookie) => new Client(server.base).get('/me', { headers: { cookie: `__Host-bedside=${cookie}` } });
    const victim = new Client(server.base).takeCookies([{ name: '__Host-bedside', value: planted }]);

    const first = cookieOf(expectStatus(await victim.post('/auth/sign-in', { email, password }), 200), '__Host-bedside');
    isHardened(first);
    assert.notEqual(valueOf(first), planted);
    expectStatus(await attacker(valueOf(first)), 401);

    const second = cookieOf(expectStatus(await victim.post('/auth/totp', { code: await freshCode(secret) }), 200), '__Host-bedside');
    isHardened(second);
    assert.notEqual(valueOf(second), valueOf(first));
    expectStatus(await victim.get('/me'), 200);
    expectStatus(await attacker(planted), 401);
    expectStatus(await attacker(valueOf(first)), 401);

    expectStatus(await victim.post('/auth/sign-out'), 204);
    expectStatus(await attacker(valueOf(second)), 401);
  });

  test('the second factor cannot be skipped, nor done in a session of somebody else', async () => {
    const { email, password } = demo.clinic_admin;
    const half = new Client(server.base);
    expectStatus(await half.post('/auth/sign-in', { email, password }), 200);
    for (const path of ['/me', '/today', '/patients', '/audit', '/quality/visits']) expectStatus(await half.get(path), 401);
    expectStatus(await half.post('/auth/totp', { code: await freshCode(demo.compliance.totp_secret) }), 401);
    expectStatus(await new Client(server.base).post('/auth/totp', { code: '000000' }), 401);
  });

  test('patients: a planted session never becomes good, and a new one ends the old one', async () => {
    const visit = demo.visits[0];
    const token = tokenOf(visit.patient_link);
    const planted = 'B'.repeat(43);
    const victim = new Client(server.base).takeCookies([{ name: '__Host-bedside-visit', value: planted }]);
    const confirm = () => victim.post('/join/identity', { token, date_of_birth: visit.date_of_birth });
    const first = cookieOf(expectStatus(await confirm(), 200), '__Host-bedside-visit');
    isHardened(first);
    const second = cookieOf(expectStatus(await confirm(), 200), '__Host-bedside-visit');
    assert.equal(new Set([planted, valueOf(first), valueOf(second)]).size, 3);
    for (const cookie of [planted, valueOf(first)]) {
      expectStatus(await new Client(server.base).get('/join', { headers: { cookie: `__Host-bedside-visit=${cookie}` } }), 401);
    }
    expectStatus(await victim.get('/join'), 200);
  });

  test('a scanner that opens a patient’s link, follows it and runs its page uses nothing up', async () => {
    const visit = demo.visits[1];
    const token = tokenOf(visit.patient_link);
    const link = () => rows(server.data, `SELECT l.* FROM join_link l WHERE visit_id = '${visit.visit_id}'`);
    const existing = await link();
    for (const agent of ['Microsoft Office Existence Discovery', 'Barracuda Sentinel', 'Slackbot-LinkExpanding 1.0', 'facebookexternalhit/1.1', 'Mozilla/5.0']) {
      for (const method of ['HEAD', 'GET', 'OPTIONS']) await fetch(visit.patient_link, { method, redirect: 'manual', headers: { 'user-agent': agent, purpose: 'prefetch' } });
      expectStatus(await new Client(server.base).post('/join/open', { token }, { headers: { 'user-agent': agent } }), 200);
    }
    assert.deepEqual(await link(), existing);
    await new Client(server.base).checkIn(visit);
  });

  test('who guesses accounts learns nothing from the answers', async () => {
    const guess = (email, password) => new Client(server.base).post('/auth/sign-in', { email, password });
    const unknown = faceOf(await guess('nobody.at.all@example.org', 'correct horse battery'));
    assert.equal(unknown.status, 401);
    await execute(server.data, `UPDATE staff SET active = false WHERE email = '${demo.compliance.email}'`);
    for (const [what, answer] of [
      ['a wrong password', await guess(demo.front_desk.email, 'correct horse battery')],
      ['another spelling of the address', await guess(demo.front_desk.email.toUpperCase(), 'correct horse battery')],
      ['somebody who has left, with the right password', await guess(demo.compliance.email, demo.compliance.password)],
      ['an address that is none', await guess("' OR 1=1 --", 'correct horse battery')],
    ]) {
      assert.deepEqual(faceOf(answer), unknown, what);
    }
    await execute(server.data, `UPDATE staff SET active = true WHERE email = '${demo.compliance.email}'`);
  });

  test('who asks for a mail learns nothing of who gets one', async (context) => {
    const { document, operations } = await operationsOf(server);
    const asked = operations.filter(({ method, path }) => method === 'POST' && /\/(auth\/password-reset|portal\/sign-in)$/.test(path));
    if (asked.length === 0) return context.skip('no mail is sent yet');
    for (const { path, operation } of asked) {
      const body = sample(document, operation.requestBody.content['application/json'].schema, {});
      const ask = (email) => new Client(server.base).post(path, { ...body, email });
      const unknown = faceOf(await ask('nobody.at.all@example.org'));
      assert.ok(unknown.status < 300, `${path}: ${unknown.status} ${JSON.stringify(unknown.body)}`);
      for (const email of [demo.provider.email, demo.provider.email.toUpperCase(), `${demo.patients[0].name.split(' ')[0].toLowerCase()}@example.org`]) {
        assert.deepEqual(faceOf(await ask(email)), unknown, path);
      }
    }
  });

  test('who guesses links learns nothing from the answers', async () => {
    const desk = await new Client(server.base).signIn(demo.front_desk);
    const { appointment_id: appointment, patient_link: link, date_of_birth: born } = demo.visits[2];
    const open = (token) => new Client(server.base).post('/join/open', { token });
    const confirm = (token) => new Client(server.base).post('/join/identity', { token, date_of_birth: born });
    const [unknown, stranger] = [faceOf(await open('C'.repeat(43))), faceOf(await confirm('C'.repeat(43)))];
    assert.equal(unknown.status, 404);
    expectStatus(await desk.delete(`/appointments/${appointment}/link`), 204);
    for (const token of [tokenOf(link), `${tokenOf(link)}x`, tokenOf(link).toLowerCase()]) {
      assert.deepEqual(faceOf(await open(token)), unknown);
      assert.deepEqual(faceOf(await confirm(token)), stranger);
    }
  });
});
