// Those who have no business in a visit: refused by the API, by the websocket and in the media.

import assert from 'node:assert/strict';
import { randomBytes, randomUUID } from 'node:crypto';
import { after, before, describe, test } from 'node:test';
import { Client, expectStatus, handshake, tokenOf } from './lib/http.mjs';
import { rawSignal } from './lib/in-page.mjs';
import { counters } from './lib/media.mjs';
import { Patient, Staff } from './lib/people.mjs';
import { Server, runToEnd } from './lib/server.mjs';

describe('strangers', { timeout: 240_000 }, () => {
  let server, demo, visit, provider;

  before(async () => {
    server = await Server.start();
    demo = await server.demo();
    visit = demo.visits[0];
    provider = await new Client(server.base).signIn(demo.provider);
  });

  after(() => server?.stop());

  test('an unknown token and a revoked one get one and the same answer', async () => {
    const revoked = demo.visits[1];
    expectStatus(await provider.delete(`/appointments/${revoked.appointment_id}/link`), 204);
    const answers = [];
    for (const token of [randomBytes(32).toString('base64url'), tokenOf(revoked.patient_link), 'x']) {
      for (const [path, body] of [['/join/open', { token }], ['/join/identity', { token, date_of_birth: revoked.date_of_birth }]]) {
        const { status, body: problem } = await new Client(server.base).post(path, body);
        const { request_id: _, ...same } = problem;
        answers.push({ path, status, same });
      }
    }
    for (const { path, status, same } of answers) {
      assert.equal(status, 404, `${path} refuses`);
      assert.equal(same.code, 'link.not_usable');
      assert.deepEqual(same, answers.find((other) => other.path === path).same, `${path} does not say which`);
    }
  });

  test('the page of a link that can not be used says so and opens nothing', async () => {
    const stranger = await Patient.at({ base: server.base, visit: { patient_link: '/v/' + randomBytes(32).toString('base64url') } });
    try {
      await stranger.opensLink();
      await stranger.page.getByRole('heading', { name: /link/i }).first().waitFor();
      assert.equal(await stranger.button('Continue').count(), 0);
      assert.equal((await stranger.page.evaluate(() => fetch('/api/v1/join').then((answer) => answer.status))), 401);
    } finally {
      await stranger.leaveBrowser();
    }
  });

  test("another clinic's staff find nothing of this clinic", async () => {
    const seeded = await runToEnd(['seed', '--clinic', 'second', '--data', server.data]);
    assert.equal(seeded.code, 0, seeded.stderr);
    const other = await new Client(server.base).signIn(JSON.parse(seeded.stdout).provider);
    const id = visit.visit_id;
    for (const [method, path, body] of [
      ['GET', `/visits/${id}`],
      ['GET', `/visits/${id}/timeline`],
      ['GET', `/visits/${id}/note`],
      ['GET', `/visits/${id}/recordings`],
      ['POST', `/visits/${id}/ticket`],
      ['POST', `/appointments/${visit.appointment_id}/link`],
      ['DELETE', `/appointments/${visit.appointment_id}/link`],
    ]) {
      const foreign = await other.send(method, path, { body });
      const unknown = await other.send(method, path.replace(/[0-9a-f-]{36}/, randomUUID()), { body });
      assert.equal(foreign.status, 404, `${method} ${path}`);
      const strip = ({ request_id: _, ...rest }) => rest;
      assert.deepEqual(strip(foreign.body), strip(unknown.body), `${method} ${path} is told apart from an unknown id`);
    }
    const write = await other.put(`/visits/${id}/note`, { body: 'not mine' }, { headers: { 'if-match': '"0"' } });
    assert.equal(write.status, 404);
    const { items } = expectStatus(await other.get('/today'), 200).body;
    assert.ok(items.every((item) => item.visit_id !== id));
  });

  test('front desk, admin and compliance get no seat and no clinical data', async () => {
    for (const role of ['front_desk', 'clinic_admin', 'compliance']) {
      const staff = await new Client(server.base).signIn(demo[role]);
      assert.equal((await staff.post(`/visits/${visit.visit_id}/ticket`)).status, 403, `${role} gets no ticket`);
      const note = await staff.get(`/visits/${visit.visit_id}/note`);
      if (role !== 'compliance') assert.equal(note.status, 403, `${role} reads no note`);
    }
    assert.equal((await new Client(server.base).get(`/visits/${visit.visit_id}`)).status, 401);
  });

  test('a websocket needs our origin, our protocol and a ticket that was not used', async () => {
    for (const origin of ['https://evil.example', 'null', undefined]) {
      assert.equal(await handshake(server.base, { origin }), 403, `origin ${origin}`);
    }
    assert.notEqual(await handshake(server.base, { origin: server.base, protocol: null }), 101);

    const page = await Patient.at({ base: server.base, visit });
    try {
      await page.page.goto(server.base);
      const say = (ticket) => page.page.evaluate(rawSignal, { messages: [{ type: 'hello', ticket }], until: { type: 'welcome', count: 1 }, timeoutMs: 10_000 });
      const unknown = await say(randomBytes(32).toString('base64url'));
      assert.deepEqual(unknown.heard, [{ type: 'closed', reason: 'bad_ticket' }]);

      // The visit whose link was revoked above: a new link works again.
      const { link } = expectStatus(await provider.post(`/appointments/${demo.visits[1].appointment_id}/link`), 201).body;
      const client = await new Client(server.base).checkIn({ ...demo.visits[1], patient_link: link });
      const { ticket } = expectStatus(await client.post('/join/ticket'), 200).body;
      assert.equal((await say(ticket)).heard[0].type, 'welcome');
      assert.deepEqual((await say(ticket)).heard, [{ type: 'closed', reason: 'bad_ticket' }], 'a second time');
    } finally {
      await page.leaveBrowser();
    }
  });

  test('a ticket needs a finished check-in', async () => {
    const fresh = demo.visits[2];
    const client = new Client(server.base);
    const token = tokenOf(fresh.patient_link);
    expectStatus(await client.post('/join/identity', { token, date_of_birth: fresh.date_of_birth }), 200);
    const early = await client.post('/join/ticket');
    assert.equal(early.status, 409);
    assert.equal(early.body.code, 'join.incomplete');
  });

  test('a patient before admission can neither chat, admit, record nor end, and receives no media', async () => {
    const waiting = await Patient.at({ base: server.base, visit });
    const doctor = await Staff.at({ base: server.base, account: demo.provider });
    try {
      await provider.lendCookies(doctor.context);
      await waiting.checksIn();
      await doctor.opensVisit(visit);
      await doctor.button('Admit').first().waitFor();
      await Promise.all([waiting.transportIsUp(), doctor.transportIsUp()]);

      // The same person again by hand: this connection replaces the page's, and asks for what is not its own.
      const { ticket } = await waiting.page.evaluate(() => fetch('/api/v1/join/ticket', { method: 'POST' }).then((answer) => answer.json()));
      const asked = ['chat', 'admit', 'return_to_waiting', 'start_recording', 'stop_recording', 'end_visit'];
      const someone = randomUUID();
      const stray = await waiting.context.newPage();
      await stray.goto(server.base);
      const { heard } = await stray.evaluate(rawSignal, {
        messages: [
          { type: 'hello', ticket },
          { type: 'chat', id: randomUUID(), text: 'let me in' },
          { type: 'admit', participant: someone },
          { type: 'return_to_waiting', participant: someone },
          { type: 'start_recording' },
          { type: 'stop_recording' },
          { type: 'end_visit' },
        ],
        until: { type: 'refused', count: asked.length },
        timeoutMs: 10_000,
      });
      const refused = heard.filter((message) => message.type === 'refused');
      assert.deepEqual(refused.map((message) => message.about), asked);
      assert.ok(heard.every((message) => message.type !== 'chat'));
      for (const { participants } of heard.filter((message) => message.type === 'room')) {
        assert.equal(participants.length, 1, 'one who waits sees only oneself');
      }

      assert.equal((await counters(waiting.page)).packetsIn, 0);
      assert.equal((await counters(doctor.page)).packetsIn, 0);
      assert.equal(await server.metric('bedside_sfu_packets_forwarded_total'), 0);
      const { items } = await doctor.api(`/visits/${visit.visit_id}/timeline`);
      assert.ok(!JSON.stringify(items).includes('let me in'));
    } finally {
      await waiting.leaveBrowser();
      await doctor.leaveBrowser();
    }
  });

  test('five wrong dates of birth lock the link, also for the right one', async () => {
    const locked = demo.visits[2];
    const token = tokenOf(locked.patient_link);
    const codes = [];
    for (let n = 0; n < 5; n++) {
      const { status, body } = await new Client(server.base).post('/join/identity', { token, date_of_birth: '1901-01-01' });
      assert.equal(status, 403);
      codes.push(body.code);
    }
    assert.equal(codes.at(-1), 'join.locked');
    const right = await new Client(server.base).post('/join/identity', { token, date_of_birth: locked.date_of_birth });
    assert.notEqual(right.status, 200);
    assert.equal((await new Client(server.base).post('/join/open', { token })).status, 404);
  });
});
