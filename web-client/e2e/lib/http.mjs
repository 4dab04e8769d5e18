// A client of the public API as a script would be one: cookies, same-origin header, JSON. No browser.

import { request } from 'node:http';
import { freshCode } from './totp.mjs';
import { until } from './until.mjs';

export class Client {
  #cookies = new Map();

  constructor(base) {
    this.base = base;
  }

  /** @returns {Promise<{status: number, headers: Headers, body: any, bytes: Buffer}>} */
  async send(method, path, { body, raw, headers = {} } = {}) {
    const url = path.startsWith('/api/') || !path.startsWith('/') ? path : `/api/v1${path}`;
    const answer = await fetch(new URL(url, this.base), {
      method,
      redirect: 'manual',
      headers: {
        origin: this.base,
        ...(this.#cookies.size ? { cookie: this.cookie } : {}),
        ...(body === undefined && raw === undefined ? {} : { 'content-type': 'application/json' }),
        ...headers,
      },
      body: raw ?? (body === undefined ? undefined : JSON.stringify(body)),
    });
    for (const line of answer.headers.getSetCookie()) {
      const [pair] = line.split(';');
      const at = pair.indexOf('=');
      if (pair.slice(at + 1) === '' || /max-age=0/i.test(line)) this.#cookies.delete(pair.slice(0, at));
      else this.#cookies.set(pair.slice(0, at), pair.slice(at + 1));
    }
    const bytes = Buffer.from(await answer.arrayBuffer());
    const json = /^application\/(problem\+)?json\b/.test(answer.headers.get('content-type') ?? '');
    return { status: answer.status, headers: answer.headers, bytes, body: json ? JSON.parse(bytes.toString()) : undefined };
  }

  get(path, options) {
    return this.send('GET', path, options);
  }
  post(path, body, options) {
    return this.send('POST', path, { body, ...options });
  }
  put(path, body, options) {
    return this.send('PUT', path, { body, ...options });
  }
  delete(path, options) {
    return this.send('DELETE', path, options);
  }

  get cookie() {
    return [...this.#cookies].map(([name, value]) => `${name}=${value}`).join('; ');
  }

  /** Gives a browser the session of this client. */
  async lendCookies(context) {
    await context.addCookies([...this.#cookies].map(([name, value]) => ({ name, value, url: this.base.replace('http:', 'https:'), secure: true })));
  }

  /** Takes over the cookies of a browser, so that a test acts as the person who is signed in there. */
  takeCookies(cookies) {
    for (const { name, value } of cookies) this.#cookies.set(name, value);
    return this;
  }

  /** Password and second factor. */
  async signIn({ email, password, totp_secret: secret }) {
    // One address may try five times a minute; a test that signs many people in waits its turn like anyone else.
    await until(
      async () => {
        const answer = await this.post('/auth/sign-in', { email, password });
        return answer.status === 429 ? false : expectStatus(answer, 200);
      },
      { what: `${email} may try to sign in again`, within: 90_000, every: 2_000 },
    );
    expectStatus(await this.post('/auth/totp', { code: await freshCode(secret) }), 200);
    return this;
  }

  /** Check-in of a patient up to the waiting room's door. */
  async checkIn(visit) {
    const token = tokenOf(visit.patient_link);
    expectStatus(await this.post('/join/open', { token }), 200);
    expectStatus(await this.post('/join/identity', { token, date_of_birth: visit.date_of_birth }), 200);
    expectStatus(await this.put('/join/location', { region: 'IL', callback_phone: '+1 312 555 0134', emergency_address: '12 Example Street, Springfield' }), 204);
    const consent = expectStatus(await this.get('/texts/telehealth_consent?lang=en'), 200);
    expectStatus(await this.post('/join/consent', { text_version: consent.body.version, lang: 'en' }), 204);
    return this;
  }
}

/** Resolves when patient and provider have this many intervals of 5 s measured, up and down; `guests` may have fewer. */
export async function measured(admin, { visit_id: visit }, { points, guests = 0 }) {
  await until(
    async () => {
      const { status, body } = await admin.get(`/quality/visits/${visit}`, { headers: { 'x-bedside-background': '1' } });
      return status === 200 && body.series.length === 4 + 2 * guests && body.series.filter((series) => series.points.length >= points).length >= 4;
    },
    { what: `${points} intervals are measured for two people, both ways`, within: 30_000 + points * 5_000, every: 1_000 },
  );
}

/** The token at the end of a visit link. */
export function tokenOf(link) {
  return new URL(link, 'http://localhost').pathname.split('/').pop();
}

export function expectStatus(answer, status) {
  if (answer.status !== status) {
    throw new Error(`expected ${status}, got ${answer.status}: ${answer.bytes.toString().slice(0, 500)}`);
  }
  return answer;
}

/** The status line that a websocket handshake gets, with exactly these headers. */
export function handshake(base, { origin, protocol = 'bedside.v1' }) {
  const { hostname, port } = new URL(base);
  return new Promise((resolve, reject) => {
    const asked = request({
      hostname,
      port,
      path: '/signal',
      headers: {
        connection: 'Upgrade',
        upgrade: 'websocket',
        'sec-websocket-version': '13',
        'sec-websocket-key': Buffer.from('0123456789abcdef').toString('base64'),
        ...(protocol ? { 'sec-websocket-protocol': protocol } : {}),
        ...(origin === undefined ? {} : { origin }),
      },
    });
    asked.once('upgrade', (answer, socket) => {
      socket.destroy();
      resolve(answer.statusCode);
    });
    asked.once('response', (answer) => {
      answer.resume();
      resolve(answer.statusCode);
    });
    asked.once('error', reject);
    asked.end();
  });
}
