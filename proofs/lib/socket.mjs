// `bedside.v1` as a script speaks it: RFC 6455 text frames over an upgraded connection, no browser, no media.

import { randomBytes, randomUUID } from 'node:crypto';
import { request } from 'node:http';
import { until } from '../../web-client/e2e/lib/until.mjs';

const TEXT = 1;
const CLOSE = 8;
const PING = 9;
const PONG = 10;

export class Socket {
  #socket;
  #rest = Buffer.alloc(0);
  #parts = [];
  /** All messages of the server, in order. */
  heard = [];
  gone = false;

  /** Opens the websocket and takes a seat. Rejects if the handshake is refused or the ticket is not welcome. */
  static async open(base, ticket) {
    const socket = new Socket();
    await socket.#upgrade(base);
    socket.say({ type: 'hello', ticket });
    await socket.hears((message) => message.type === 'welcome', 'the ticket is welcome');
    return socket;
  }

  #upgrade(base) {
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
          'sec-websocket-key': randomBytes(16).toString('base64'),
          'sec-websocket-protocol': 'bedside.v1',
          origin: base,
        },
      });
      asked.once('upgrade', (_answer, socket, head) => {
        this.#socket = socket;
        const lost = () => (this.gone = true);
        socket.on('error', lost).on('close', lost).on('end', lost);
        socket.on('data', (bytes) => this.#read(bytes));
        this.#read(head);
        resolve();
      });
      asked.once('response', (answer) => {
        answer.resume();
        reject(new Error(`the websocket was answered with ${answer.statusCode}`));
      });
      asked.once('error', reject);
      asked.end();
    });
  }

  #read(bytes) {
    this.#rest = Buffer.concat([this.#rest, bytes]);
    for (;;) {
      if (this.#rest.length < 2) return;
      const [first, second] = this.#rest;
      let length = second & 0x7f;
      let head = 2;
      if (length === 126) {
        if (this.#rest.length < 4) return;
        length = this.#rest.readUInt16BE(2);
        head = 4;
      } else if (length === 127) {
        if (this.#rest.length < 10) return;
        length = Number(this.#rest.readBigUInt64BE(2));
        head = 10;
      }
      if (this.#rest.length < head + length) return;
      const payload = this.#rest.subarray(head, head + length);
      this.#rest = this.#rest.subarray(head + length);
      this.#take(first & 0x0f, Boolean(first & 0x80), payload);
    }
  }

  #take(opcode, last, payload) {
    if (opcode === PING) return this.#write(PONG, payload);
    if (opcode === CLOSE) return this.close();
    if (opcode > 2) return;
    this.#parts.push(payload);
    if (!last) return;
    this.heard.push(JSON.parse(Buffer.concat(this.#parts).toString()));
    this.#parts = [];
  }

  #write(opcode, payload) {
    if (this.gone) return;
    const head = payload.length < 126 ? Buffer.from([0x80 | opcode, 0x80 | payload.length]) : Buffer.from([0x80 | opcode, 0xfe, payload.length >> 8, payload.length & 0xff]);
    const mask = randomBytes(4);
    this.#socket.write(Buffer.concat([head, mask, payload.map((byte, at) => byte ^ mask[at & 3])]));
  }

  /** Sends a message, or whatever text is given. */
  say(message) {
    this.#write(TEXT, Buffer.from(typeof message === 'string' ? message : JSON.stringify(message)));
  }

  /** The first message that `is` right, waited for. Rejects when the connection is lost. */
  hears(is, what = 'the server says it') {
    return until(
      () => {
        const found = this.heard.find(is);
        if (!found && this.gone) throw new Error(`the connection was lost before ${what}`);
        return found;
      },
      { what: () => `${what}; heard: ${JSON.stringify(this.heard.slice(-5))}`, every: 5 },
    );
  }

  /** A chat line with an id of its own; resolves with the id when the server says that it is stored. */
  async chat(text) {
    const id = randomUUID();
    this.say({ type: 'chat', id, text });
    await this.hears((message) => message.type === 'chat' && message.id === id, 'the chat line is stored');
    return id;
  }

  close() {
    this.gone = true;
    this.#socket?.destroy();
  }
}
