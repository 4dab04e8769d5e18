// Those who write while the server is killed. Each remembers what was acknowledged to it, and after a restart compares.
//
// A writer's `turn` is one write; its `check` says what is wrong, in sentences. An answer that never came, or 503, may
// have been done or not, but never by half: the next check allows both and nothing else.

import { randomBytes, randomUUID } from 'node:crypto';
import { Client, tokenOf } from '../../web-client/e2e/lib/http.mjs';
import { codeAt } from '../../web-client/e2e/lib/totp.mjs';
import { rows } from './database.mjs';
import { Socket } from './socket.mjs';

/** The server went away under a request: what became of it is not known. */
export class Lost extends Error {}

/** One who writes. */
export class Writer {
  /** Writes that the server said are done. */
  acknowledged = 0;
  /** Request ids of acknowledged writes: each must stand in the audit log. */
  requests = [];

  constructor(server) {
    this.server = server;
  }

  /** Sends, and gives the answer if the server decided anything. */
  async send(client, method, path, options) {
    const answer = await client.send(method, path, options).catch((error) => {
      throw new Lost(error.message);
    });
    if ([429, 503].includes(answer.status)) throw new Lost(`${answer.status}`);
    if (answer.status >= 500) throw new Error(`${method} ${path}: ${answer.status} ${answer.bytes}`);
    return answer;
  }

  done(answer) {
    this.acknowledged += 1;
    this.requests.push(answer.headers.get('x-request-id'));
  }
}

/** The answer, if it has this status. */
export function expect(answer, status, what) {
  if (answer.status !== status) throw new Error(`${what}: expected ${status}, got ${answer.status}: ${answer.bytes}`);
  return answer;
}

/** Saves one visit's note again and again, as the page does while somebody types. */
export class NoteWriter extends Writer {
  stored = { version: 0, body: '' };
  /** What was sent and never answered. */
  unanswered = [];

  constructor(server, client, visit) {
    super(server);
    Object.assign(this, { client, visit });
  }

  async turn() {
    const { version } = this.stored;
    const next = { version: version + 1, body: `Line ${version + 1}. ${randomBytes(200 + (version % 7) * 400).toString('hex')}` };
    this.unanswered.push(next);
    const answer = await this.send(this.client, 'PUT', `/visits/${this.visit}/note`, { body: { body: next.body }, headers: { 'if-match': `"${version}"` } });
    expect(answer, 200, 'saving a note');
    this.stored = next;
    this.unanswered = [];
    this.done(answer);
  }

  async check() {
    const { body: note } = expect(await this.client.get(`/visits/${this.visit}/note`), 200, 'reading a note');
    const is = (wanted) => note.version === wanted.version && note.body === wanted.body;
    const wrong = [this.stored, ...this.unanswered].some(is) ? [] : [`note of ${this.visit}: acknowledged version ${this.stored.version}, found ${note.version}, another text`];
    this.stored = { version: note.version, body: note.body };
    this.unanswered = [];
    return wrong;
  }
}

/** Books slots, and repeats a booking whose answer was lost with the same key; revokes every third link. */
export class Booker extends Writer {
  booked = [];
  revoked = [];
  trying;
  slot = 0;

  constructor(server, client, { patients, provider }) {
    super(server);
    Object.assign(this, { client, patients, provider, begin: Math.ceil(Date.now() / 86_400_000) * 86_400_000 + 86_400_000 });
  }

  async turn() {
    if (!this.trying && this.booked.length > this.revoked.length * 3 + 2) return this.#revoke(this.booked[this.revoked.length * 3]);
    if (!this.trying) {
      const starts = this.begin + this.slot * 300_000;
      const body = {
        patient_id: this.patients[this.slot % this.patients.length],
        provider_id: this.provider,
        starts_at: new Date(starts).toISOString(),
        ends_at: new Date(starts + 300_000).toISOString(),
        visit_type: 'video',
        reason: `Slot ${this.slot}`,
      };
      this.trying = { key: randomUUID(), body };
      this.slot += 1;
    }
    const { key, body } = this.trying;
    const answer = expect(await this.send(this.client, 'POST', '/appointments', { body, headers: { 'idempotency-key': key } }), 201, 'booking');
    this.trying = undefined;
    // Not by request id: what is repeated was logged under the request that did it.
    this.booked.push({ ...answer.body, ...body });
    this.acknowledged += 1;
  }

  async #revoke(booking) {
    const answer = expect(await this.send(this.client, 'DELETE', `/appointments/${booking.appointment_id}/link`), 204, 'revoking a link');
    this.revoked.push(booking.appointment_id);
    this.done(answer);
  }

  async check() {
    const found = new Map(
      (
        await rows(
          this.server.data,
          `SELECT a.appointment_id, v.visit_id, a.starts_at,
                  (SELECT encode(l.token_hash, 'hex') FROM join_link l WHERE l.visit_id = v.visit_id ORDER BY l.join_link_id LIMIT 1) AS link,
                  (SELECT count(*) FROM join_link l WHERE l.visit_id = v.visit_id AND l.revoked_at IS NULL) AS links,
                  (SELECT count(*) FROM audit_event e WHERE e.action = 'appointment.booked' AND e.resource_id = a.appointment_id) AS logged,
                  (SELECT count(*) FROM audit_event e WHERE e.action = 'link.revoked' AND e.resource_id = a.appointment_id) AS revocations
           FROM appointment a JOIN visit v USING (appointment_id)`,
        )
      ).map((row) => [row.appointment_id, row]),
    );
    const hash = (link) => globalThis.crypto.subtle.digest('SHA-256', Buffer.from(tokenOf(link))).then((bytes) => Buffer.from(bytes).toString('hex'));
    const wrong = [];
    for (const { appointment_id: id, visit_id: visit, starts_at: starts, link } of this.booked) {
      const row = found.get(id);
      const revoked = this.revoked.includes(id);
      if (!row || row.visit_id !== visit || Date.parse(row.starts_at) !== Date.parse(starts)) wrong.push(`booking ${id} is lost or another one`);
      else if (row.link !== (await hash(link))) wrong.push(`booking ${id}: the link that was given out is not the stored one`);
      else if (row.logged !== 1) wrong.push(`booking ${id} stands ${row.logged} times in the audit log`);
      else if (revoked && (row.links !== 0 || row.revocations < 1)) wrong.push(`booking ${id}: a revoked link is good again`);
    }
    return wrong;
  }
}

/** A patient who says where they are, and agrees, again and again. */
export class PatientAtTheDoor extends Writer {
  stored;
  /** What was sent and never answered. */
  unanswered = [];
  agreed = 0;
  turns = 0;

  constructor(server, client, visit, text) {
    super(server);
    Object.assign(this, { client, visit, text });
  }

  async turn() {
    this.turns += 1;
    if (this.turns % 3 === 0) {
      const answer = expect(await this.send(this.client, 'POST', '/join/consent', { body: { text_version: this.text, lang: 'en' } }), 204, 'consent');
      this.agreed += 1;
      return this.done(answer);
    }
    const next = { region: 'IL', callback_phone: `+1 312 555 ${String(this.turns).padStart(6, '0')}`, emergency_address: `${this.turns} Example Street` };
    this.unanswered.push(next);
    const answer = expect(await this.send(this.client, 'PUT', '/join/location', { body: next }), 204, 'location');
    this.stored = next;
    this.unanswered = [];
    this.done(answer);
  }

  async check() {
    const { body } = expect(await this.client.get('/join'), 200, 'reading how far the patient came');
    const same = (wanted) => JSON.stringify(body.location) === JSON.stringify(wanted);
    const wrong = !this.stored || [this.stored, ...this.unanswered].some(same) ? [] : [`location of ${this.visit}: neither the acknowledged one nor the one on its way`];
    this.stored = body.location ?? undefined;
    this.unanswered = [];
    if (this.agreed > 0) {
      if (!body.consent) wrong.push(`consent of ${this.visit} is lost`);
      const [{ stored }] = await rows(this.server.data, `SELECT count(*) AS stored FROM consent WHERE visit_id = '${this.visit}' AND kind = 'telehealth_consent'`);
      if (stored < 1) wrong.push(`consent of ${this.visit} has no row`);
    }
    return wrong;
  }
}

/** The provider in the room, who writes one chat line after the other. */
export class Chatter extends Writer {
  lines = new Map();

  constructor(server, client, visit) {
    super(server);
    Object.assign(this, { client, visit });
  }

  async turn() {
    if (!this.socket || this.socket.gone) {
      const { body } = expect(await this.send(this.client, 'POST', `/visits/${this.visit}/ticket`), 200, 'a ticket');
      this.socket = await Socket.open(this.server.base, body.ticket).catch((error) => {
        throw new Lost(error.message);
      });
    }
    const text = `Line ${this.lines.size + 1} ${randomBytes(30).toString('hex')}`;
    const known = this.socket.heard.length;
    const id = await this.socket.chat(text).catch((error) => {
      if (this.socket.gone || this.socket.heard.slice(known).some(({ type }) => ['refused', 'closed'].includes(type))) throw new Lost(error.message);
      throw error;
    });
    this.lines.set(id, text);
    this.acknowledged += 1;
  }

  async check() {
    this.socket?.close();
    this.socket = undefined;
    const { body } = expect(await this.client.get(`/visits/${this.visit}/timeline`), 200, 'reading the timeline');
    const said = new Map(body.items.filter(({ fact }) => fact === 'chat_posted').map(({ detail }) => [detail.id, detail.text]));
    return [...this.lines].filter(([id, text]) => said.get(id) !== text).map(([id]) => `chat line ${id} of ${this.visit} is lost or another one`);
  }
}

/** Signs in and out. A session that was given is good after a restart; one that was ended is not. */
export class SignsInAndOut extends Writer {
  open = [];
  ended = [];
  lastStep = 0;

  constructor(server, account, path = '/me') {
    super(server);
    Object.assign(this, { account, path });
  }

  async turn() {
    const step = Math.floor(Date.now() / 30_000);
    if (step <= this.lastStep) {
      if (this.open.length > 1) return this.#signOut(this.open.pop());
      return this.#stranger();
    }
    this.lastStep = step;
    const client = new Client(this.server.base);
    const { email, password, totp_secret: secret } = this.account;
    expect(await this.send(client, 'POST', '/auth/sign-in', { body: { email, password } }), 200, 'password');
    const answer = expect(await this.send(client, 'POST', '/auth/totp', { body: { code: codeAt(secret, step) } }), 200, 'code');
    this.open.push(client);
    this.done(answer);
  }

  async #signOut(client) {
    const cookie = client.cookie;
    const answer = expect(await this.send(client, 'POST', '/auth/sign-out'), 204, 'sign-out');
    this.ended.push(cookie);
    this.done(answer);
  }

  /** A failed attempt is an acknowledged row of the audit log too. Each of another stranger: no account gets locked. */
  async #stranger() {
    const body = { email: `${randomUUID()}@example.org`, password: 'not the password at all' };
    this.done(expect(await this.send(new Client(this.server.base), 'POST', '/auth/sign-in', { body }), 401, 'a stranger'));
  }

  async check() {
    const wrong = [];
    for (const client of this.open) {
      const { status } = await client.get(this.path);
      if (status !== 200) wrong.push(`a session of ${this.account.email} that was given is answered with ${status}`);
    }
    for (const cookie of this.ended) {
      const { status } = await new Client(this.server.base).get(this.path, { headers: { cookie } });
      if (status !== 401) wrong.push(`a session of ${this.account.email} that was ended is answered with ${status}`);
    }
    return wrong;
  }
}
