// The flows through which canaries are planted. Here: one whole visit told by hand, and every operation of the OpenAPI
// document asked by everyone, right and wrong. A route that is added is planted too, without a word here.

import { randomUUID } from 'node:crypto';
import { Client, expectStatus, tokenOf } from '../../web-client/e2e/lib/http.mjs';
import * as canaries from './canaries.mjs';
import { endsSession, isStream, pathOf, sample } from './samples.mjs';
import { Socket } from './socket.mjs';

/** Members of answers that are secrets. */
const SECRETS = /^(token|link|ticket|secret|password|code|totp_secret|recovery_codes|uri|url)$/;

/** Remembers every secret that an answer gives out. */
function keep(search, answer) {
  for (const line of answer.headers.getSetCookie()) {
    const value = line.split(';')[0].split('=').slice(1).join('=');
    if (value.length >= 8) search.watch('a session', value);
  }
  const walk = (value, name) => {
    if (Array.isArray(value)) value.forEach((item) => walk(item, name));
    else if (value && typeof value === 'object') Object.entries(value).forEach(([member, of]) => walk(of, member));
    else if (typeof value === 'string' && SECRETS.test(name)) {
      const secret = value.includes('/') ? tokenOf(value) : value;
      if (secret.length >= 16) search.watch(`what an answer calls ${name}`, secret);
    }
  };
  if (answer.status < 300) walk(answer.body, '');
  return answer;
}

/** Check-in, waiting room, admission, chat, a recording, the note, its signature, an addendum, all with canaries. */
export async function theVisit(server, cast, search) {
  const demo = await server.demo();
  const visit = demo.visits[1];
  const { provider, front_desk: desk } = { provider: cast.provider.client, front_desk: cast.front_desk.client };
  for (const { client } of Object.values(cast)) {
    for (const pair of client.cookie.split('; ').filter(Boolean)) search.watch('a session', pair.split('=').slice(1).join('='));
  }
  for (const { patient_link: link } of demo.visits) search.watch('a link', tokenOf(link));

  const starts = Date.now() + 3 * 86_400_000;
  const booking = {
    patient_id: cast.front_desk.ids.patient[0],
    provider_id: cast.front_desk.ids.provider[0],
    starts_at: new Date(starts).toISOString(),
    ends_at: new Date(starts + 1_800_000).toISOString(),
    visit_type: 'video',
    reason: canaries.text('Since yesterday '),
  };
  keep(search, expectStatus(await desk.post('/appointments', booking, { headers: { 'idempotency-key': randomUUID() } }), 201));
  expectStatus(await desk.post('/appointments', booking, { headers: { 'idempotency-key': randomUUID() } }), 409);

  const patient = new Client(server.base);
  const token = tokenOf(visit.patient_link);
  await patient.get(`${server.base}/v/${token}`);
  expectStatus(await patient.post('/join/open', { token }), 200);
  expectStatus(await patient.post('/join/identity', { token, date_of_birth: canaries.BORN }), 403);
  keep(search, expectStatus(await patient.post('/join/identity', { token, date_of_birth: visit.date_of_birth }), 200));
  const place = { region: canaries.text(), callback_phone: canaries.phone(), emergency_address: canaries.text('12 ') };
  expectStatus(await patient.put('/join/location', place), 204);
  const text = expectStatus(await patient.get('/texts/telehealth_consent?lang=en'), 200).body.version;
  expectStatus(await patient.post('/join/consent', { text_version: text, lang: 'en' }), 204);

  const ticketOf = async (client, path) => keep(search, expectStatus(await client.post(path), 200)).body.ticket;
  const door = await Socket.open(server.base, await ticketOf(patient, '/join/ticket'));
  const host = await Socket.open(server.base, await ticketOf(provider, `/visits/${visit.visit_id}/ticket`));
  door.say({ type: 'join_waiting_room' });
  const { participant } = door.heard.find(({ type }) => type === 'welcome');
  host.say({ type: 'admit', participant });
  await door.hears(({ type, participants }) => type === 'room' && participants.some((one) => one.participant === participant && ['admitted', 'live'].includes(one.phase.is)), 'the patient is let in');
  await host.chat(canaries.text('Good morning '));
  await door.chat(canaries.text('I feel '));
  host.say({ type: 'start_recording' });
  const { recording } = await host.hears(({ type, recording }) => type === 'room' && recording.is === 'awaiting_consent', 'it asks for consent');
  for (const socket of [host, door]) socket.say({ type: 'answer_recording', recording: recording.recording, allow: true, text_version: recording.text_version });
  await host.hears(({ type, recording }) => type === 'room' && ['starting', 'on'].includes(recording.is), 'capture begins');
  host.say({ type: 'stop_recording' });
  for (const bad of [`{"type":"${canaries.text()}"}`, `${canaries.text()}{`, { type: 'offer', sdp: canaries.text('v=0\r\no=- ') }, { type: 'chat', id: canaries.text(), text: canaries.text() }]) door.say(bad);
  await door.hears(({ type }) => type === 'refused', 'what is not of the protocol is refused');
  await Socket.open(server.base, canaries.text()).catch(() => {});

  const note = `/visits/${visit.visit_id}/note`;
  const save = (version, body) => provider.put(note, { body }, { headers: { 'if-match': `"${version}"` } });
  expectStatus(await save(0, canaries.text('Lungs clear. ')), 200);
  expectStatus(await save(1, canaries.text('Lungs clear, heart too. ').repeat(400)), 200);
  expectStatus(await save(0, canaries.text()), 412);
  expectStatus(await save(2, canaries.text().padEnd(100_001, ' x')), 422);
  expectStatus(await provider.post(`${note}/sign`, undefined, { headers: { 'if-match': '"2"' } }), 200);
  expectStatus(await save(3, canaries.text()), 409);
  expectStatus(await provider.post(`${note}/addenda`, { body: canaries.text('Called back. ') }), 201);
  expectStatus(await provider.get(`/visits/${visit.visit_id}/timeline`), 200);
  host.say({ type: 'end_visit' });
  await host.hears(({ type }) => type === 'closed', 'the visit ends');

  const stranger = new Client(server.base);
  expectStatus(await stranger.post('/auth/sign-in', { email: canaries.email(), password: canaries.text('secret ') }), 401);
  expectStatus(await stranger.post('/auth/sign-in', { email: demo.clinic_admin.email, password: canaries.text('secret ') }), 401);
  expectStatus(await cast.compliance.client.get(`/audit?action=${canaries.MARK}`), 200);
  const look = (wanted) => desk.post('/patients/search', wanted);
  for (const wanted of [{ name: canaries.name() }, { phone: canaries.phone() }, { mrn: canaries.number() }, { email: canaries.email() }, { date_of_birth: canaries.BORN }]) {
    expectStatus(await look(wanted), 200);
  }
  const found = expectStatus(await look({ name: demo.patients[0].name.split(' ')[0] }), 200);
  if (found.body.items.length === 0) throw new Error('a patient of the demonstration is not found by name');
}

/** The least that is a PDF. */
function pdf(words) {
  return `%PDF-1.4\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj\n2 0 obj<</Type/Pages/Kids[]/Count 0>>endobj\n% ${words}\ntrailer<</Root 1 0 R>>\n%%EOF\n`;
}

/** Where staff are spoken of, and what is said of them instead of canaries. */
const OF_STAFF = /\/(account|auth|enrol|invitation|me|providers|staff)(\/|$)/;
const STAFF_WORDS = { name: 'Sam Staff', email: 'sam.staff@example.org', label: 'The blue key', nickname: 'The blue key' };

/** What is sent for one operation: the good request, then wrong ones. */
function requestsFor(document, one, ids) {
  const { method, path, operation } = one;
  const at = pathOf(one, ids);
  const schema = operation.requestBody?.content?.['application/json']?.schema;
  const headers = { 'if-match': '"0"', 'idempotency-key': randomUUID(), 'x-file-name': encodeURIComponent(`${canaries.name()}.pdf`) };
  const query = (operation.parameters ?? []).filter((parameter) => parameter.in === 'query');
  const filled = new URLSearchParams(query.map(({ name, schema }) => [name, String(sample(document, schema, ids, name))]));
  const body = schema && sample(document, schema, ids);
  const planted = canaries.text();
  // Members of staff are no patients: their names stand in clear, in lists and in the audit log.
  const ofStaff = OF_STAFF.test(path) ? STAFF_WORDS : {};
  if (body) for (const [member, word] of Object.entries(ofStaff)) if (typeof body[member] === 'string') body[member] = word;
  const file = operation.requestBody?.content?.['application/pdf'];
  const requests = [
    ...(file ? [{ at, raw: pdf(planted), headers: { ...headers, 'content-type': 'application/pdf' } }, { at, raw: planted, headers: { ...headers, 'content-type': 'image/png' } }] : []),
    { at: query.length > 0 ? `${at}?${filled}` : at, body, headers },
    { at: `${at}?${new URLSearchParams({ [planted]: planted })}`, body, headers },
    { at: path.replace(/\{\w+\}/g, encodeURIComponent(planted)), body, headers },
    { at, body, headers: { 'if-match': canaries.MARK, 'idempotency-key': `${canaries.MARK}\u00e9`, range: `bytes=${canaries.MARK}`, authorization: `Bearer ${canaries.MARK}`, referer: `https://x.example/${canaries.MARK}`, 'x-request-id': canaries.MARK, 'x-forwarded-for': canaries.MARK } },
    { at, body, headers: { ...headers, origin: `https://${canaries.MARK.toLowerCase()}.example` } },
    { at, body, headers: { ...headers, cookie: `__Host-bedside=${canaries.MARK}; __Host-bedside-visit=${canaries.MARK}` } },
  ];
  if (method !== 'GET') requests.push({ at, raw: `{"${planted}": "${planted}`, headers }, { at, raw: planted, headers: { ...headers, 'content-type': `text/${canaries.MARK}` } });
  if (schema) {
    requests.push({ at, body: { ...body, [planted]: planted }, headers }, { at, body: planted, headers });
    for (const member of Object.keys(body ?? {}).filter((member) => !(member in ofStaff))) {
      for (const wrong of [planted, { [planted]: planted }, `${planted}\u0000`, planted.repeat(3_000)]) requests.push({ at, body: { ...body, [member]: wrong }, headers });
    }
  }
  return requests.map((request) => ({ method, ...request }));
}

/** Asks every operation as everyone. */
export async function asEveryone(server, cast, document, operations, search) {
  const asked = { sent: 0, done: 0, echoed: [] };
  const ordered = operations.filter((one) => !isStream(one)).sort((a, b) => endsSession(a) - endsSession(b));
  for (const [who, { client, ids }] of Object.entries(cast)) {
    for (const one of ordered) {
      for (const { method, at, body, raw, headers } of requestsFor(document, one, ids)) {
        const answer = await client.send(method, at, { body, raw, headers }).catch((error) => {
          // Refused before a long body was read: the connection may be closed under it.
          if (['EPIPE', 'ECONNRESET'].includes(error.cause?.code) && JSON.stringify(body ?? '').length > 16_384) return undefined;
          throw new Error(`${who}: ${method} ${at.slice(0, 200)}: ${error.message} ${error.cause ?? ''}`);
        });
        asked.sent += 1;
        if (!answer) continue;
        keep(search, answer);
        if (answer.status < 300) asked.done += 1;
        if (answer.status >= 500) throw new Error(`${who}: ${method} ${one.path}: ${answer.status} ${answer.bytes}`);
        if (answer.status >= 400 && search.in('', answer.bytes).length > 0) asked.echoed.push({ status: answer.status, line: `${who}: ${method} ${one.path}: ${answer.status} ${answer.bytes}`.replace(/"request_id":"[^"]*"/, '') });
      }
    }
  }
  await new Client(server.base).get(`${server.base}/${canaries.MARK}?name=${canaries.MARK}`);
  return asked;
}
