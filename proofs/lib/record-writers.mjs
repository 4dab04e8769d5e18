// Writers as in writers.mjs, on patients' records: who they are, their charts, their documents, and access in an emergency.

import { createHash, randomBytes, randomUUID } from 'node:crypto';
import { Client } from '../../web-client/e2e/lib/http.mjs';
import { freshCode } from '../../web-client/e2e/lib/totp.mjs';
import { rows } from './database.mjs';
import { Writer, expect } from './writers.mjs';

/** Saves one condition of a chart again and again. */
export class ChartWriter extends Writer {
  entry = randomUUID();
  stored = { version: 0, text: undefined };
  /** What was sent and never answered. */
  unanswered = [];

  constructor(server, client, patient) {
    super(server);
    Object.assign(this, { client, patient });
  }

  async turn() {
    const { version } = this.stored;
    const next = { version: version + 1, text: `Condition ${version + 1} ${randomBytes(40).toString('hex')}` };
    this.unanswered.push(next);
    const body = { list: 'condition', entry: { text: next.text, status: 'active' } };
    const answer = await this.send(this.client, 'PUT', `/patients/${this.patient}/clinical/${this.entry}`, { body, headers: { 'if-match': `"${version}"` } });
    expect(answer, 200, 'saving a condition');
    this.stored = next;
    this.unanswered = [];
    this.done(answer);
  }

  async check() {
    const { body } = expect(await this.client.get(`/patients/${this.patient}/clinical`), 200, 'reading a chart');
    const item = body.items.find(({ entry_id: id }) => id === this.entry);
    const found = { version: item?.version ?? 0, text: item?.document.entry.text };
    const is = (wanted) => found.version === wanted.version && found.text === wanted.text;
    const wrong = [this.stored, ...this.unanswered].some(is) ? [] : [`condition ${this.entry}: acknowledged version ${this.stored.version}, found ${found.version}, or another text`];
    // Each version is kept, with whoever wrote it.
    const [{ kept }] = await rows(this.server.data, `SELECT count(*) AS kept FROM chart_revision WHERE chart_entry_id = '${this.entry}'`);
    if (kept !== found.version) wrong.push(`condition ${this.entry} is of version ${found.version} and has a history of ${kept}`);
    this.stored = found;
    this.unanswered = [];
    return wrong;
  }
}

/** Puts patients on record, and repeats with the same key what was not answered. */
export class Registrar extends Writer {
  registered = [];
  checked = 0;
  trying;

  constructor(server, client) {
    super(server);
    this.client = client;
  }

  async turn() {
    if (!this.trying) {
      const name = { given: `Given${this.registered.length}`, family: `Family${randomBytes(8).toString('hex')}` };
      this.trying = { key: randomUUID(), name, body: { demographics: { name, date_of_birth: '1990-04-01' }, despite_duplicates: true } };
    }
    const { key, name, body } = this.trying;
    const answer = expect(await this.send(this.client, 'POST', '/patients', { body, headers: { 'idempotency-key': key } }), 201, 'putting a patient on record');
    this.trying = undefined;
    // Not by request id: what is repeated was logged under the request that did it.
    this.registered.push({ id: answer.body.patient_id, name });
    this.acknowledged += 1;
  }

  async check() {
    const wrong = [];
    const logged = new Map(
      (await rows(this.server.data, `SELECT patient_id, count(*) AS times FROM audit_event WHERE action = 'patient.create' AND outcome = 'allowed' GROUP BY 1`)).map((row) => [row.patient_id, row.times]),
    );
    for (const { id, name } of this.registered.slice(this.checked)) {
      const { status, body } = await this.client.get(`/patients/${id}`);
      const found = body?.demographics?.name;
      if (status !== 200 || found.given !== name.given || found.family !== name.family) wrong.push(`patient ${id} is lost or another one`);
    }
    for (const { id } of this.registered) if (logged.get(id) !== 1) wrong.push(`patient ${id} stands ${logged.get(id) ?? 0} times in the audit log`);
    this.checked = this.registered.length;
    return wrong;
  }
}

/** Sends documents. One that was acknowledged can be downloaded, byte for byte. */
export class Sender extends Writer {
  sent = new Map();
  checked = new Set();

  constructor(server, client, patient) {
    super(server);
    Object.assign(this, { client, patient });
  }

  async turn() {
    const raw = Buffer.from(`%PDF-1.4\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj\n2 0 obj<</Type/Pages/Kids[]/Count 0>>endobj\n% ${randomBytes(2_000 + 97 * (this.sent.size % 40)).toString('hex')}\ntrailer<</Root 1 0 R>>\n%%EOF\n`);
    const headers = { 'content-type': 'application/pdf', 'x-file-name': `letter-${this.sent.size}.pdf` };
    const answer = expect(await this.send(this.client, 'POST', `/patients/${this.patient}/attachments?category=referral`, { raw, headers }), 201, 'sending a document');
    this.sent.set(answer.body.attachment_id, createHash('sha256').update(raw).digest('hex'));
    this.done(answer);
  }

  async check() {
    const wrong = [];
    const { body } = expect(await this.client.get(`/patients/${this.patient}/attachments`), 200, 'reading the list of documents');
    const listed = new Set(body.items.map((item) => item.attachment_id));
    for (const [id, hash] of this.sent) {
      if (!listed.has(id)) wrong.push(`document ${id} is not on the list`);
      if (this.checked.has(id)) continue;
      const { status, bytes } = await this.client.get(`/attachments/${id}`);
      if (status !== 200 || createHash('sha256').update(bytes).digest('hex') !== hash) wrong.push(`document ${id} is lost or another one (${status})`);
      this.checked.add(id);
    }
    return wrong;
  }
}

/** A nurse who opens one record after the other in an emergency: each must lie before compliance afterwards. */
export class BreaksGlass extends Writer {
  opened = new Map();

  constructor(server, account, registrar) {
    super(server);
    Object.assign(this, { account, registrar });
  }

  async turn() {
    const patient = this.registrar.registered[this.opened.size];
    if (!patient) return new Promise((resolve) => setTimeout(resolve, 10));
    if (!this.client) await this.#signIn();
    const reason = `Found unconscious in the waiting room, number ${this.opened.size}`;
    const answer = await this.send(this.client, 'POST', `/patients/${patient.id}/emergency-access`, { body: { reason } });
    if (answer.status === 403 && answer.body.code === 'second_factor.stale') {
      this.client = undefined;
      return undefined;
    }
    // Asked once more after an answer that was lost: it may be open already.
    if (answer.status === 409) {
      const [open] = await rows(this.server.data, `SELECT emergency_access_id AS id FROM emergency_access WHERE patient_id = '${patient.id}'`);
      if (!open) throw new Error(`emergency access to ${patient.id} is said to be open, and is not`);
      this.opened.set(patient.id, open.id);
      return undefined;
    }
    expect(answer, 201, 'access in an emergency');
    this.opened.set(patient.id, answer.body.emergency_access_id);
    this.done(answer);
  }

  async #signIn() {
    const client = new Client(this.server.base);
    const { email, password, totp_secret: secret } = this.account;
    expect(await this.send(client, 'POST', '/auth/sign-in', { body: { email, password } }), 200, 'password');
    expect(await this.send(client, 'POST', '/auth/totp', { body: { code: await freshCode(secret) } }), 200, 'code');
    this.client = client;
  }

  async check() {
    const found = new Set((await rows(this.server.data, `SELECT emergency_access_id AS id FROM emergency_access JOIN emergency_access_review USING (emergency_access_id) WHERE state = 'open'`)).map(({ id }) => id));
    return [...this.opened.values()].filter((id) => !found.has(id)).map((id) => `emergency access ${id} does not lie before compliance`);
  }
}
