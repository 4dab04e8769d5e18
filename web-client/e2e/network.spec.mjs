// A visit out of networks that let little out: the same page, other ways for media.

import assert from 'node:assert/strict';
import { rm } from 'node:fs/promises';
import { connect, createServer } from 'node:net';
import { describe, test } from 'node:test';
import { counters, hears, paths, seesMoving } from './lib/media.mjs';
import { Patient, Staff } from './lib/people.mjs';
import { Server, dataFolder, selfSigned } from './lib/server.mjs';
import { until } from './lib/until.mjs';

/** Patient and provider meet; `look` is given both once each sees and hears the other. */
async function visit({ connection, flags, ...options }, look) {
  const server = await Server.start(options);
  let patient, provider;
  try {
    const demo = await server.demo();
    patient = await Patient.at({ base: server.base, visit: demo.visits[0], connection, flags });
    provider = await Staff.at({ base: server.base, account: demo.provider, connection, flags });
    await Promise.all([patient.checksIn(), provider.signsIn()]);
    const names = await provider.namesIn(demo.visits[0]);
    await provider.opensVisit(demo.visits[0]);
    await provider.press('Admit');
    await Promise.all([seesMoving(provider.page, names.patient), seesMoving(patient.page, names.provider)]);
    await Promise.all([hears(provider.page), hears(patient.page)]);
    await look({ server, patient, provider });
  } finally {
    await patient?.leaveBrowser();
    await provider?.leaveBrowser();
    await server.stop();
  }
}

/** A TCP connection that can be cut in the middle. */
class Wire {
  #sockets = new Set();
  #server;

  static async between(here, there) {
    const wire = new Wire();
    wire.#server = createServer((near) => {
      const far = connect(there);
      for (const [one, other] of [[near, far], [far, near]]) {
        one.on('data', (bytes) => other.write(bytes));
        one.on('error', () => undefined);
        one.on('close', () => {
          wire.#sockets.delete(one);
          other.destroy();
        });
        wire.#sockets.add(one);
      }
    });
    await new Promise((resolve) => wire.#server.listen(here.port, here.host, resolve));
    return wire;
  }

  /** Ends every connection; says how many there were. */
  cut() {
    const count = this.#sockets.size / 2;
    for (const socket of this.#sockets) socket.destroy();
    return count;
  }

  close() {
    this.cut();
    return new Promise((resolve) => this.#server.close(resolve));
  }
}

describe('media through narrow networks', { timeout: 240_000 }, () => {
  test('where UDP does not get through, both see and hear each other by TCP', async () => {
    await visit({ env: { BEDSIDE__MEDIA__UDP: 'false' } }, async ({ server, patient, provider }) => {
      for (const { page } of [patient, provider]) {
        const [path, ...more] = await paths(page);
        assert.equal(more.length, 0);
        assert.equal(path.protocol, 'tcp');
        const { framesDecoded, packetsIn } = await counters(page);
        assert.ok(framesDecoded > 0 && packetsIn > 0, `${framesDecoded} frames, ${packetsIn} packets`);
      }
      assert.ok((await server.metric('bedside_sfu_tcp_connections')) >= 2);
    });
  });

  for (const transport of ['udp', 'tcp']) {
    test(`by the relay alone, by ${transport}`, async () => {
      const connection = { iceTransportPolicy: 'relay', relays: `transport=${transport}` };
      await visit({ connection, turn: true }, (those) => relayedBy(transport, those));
    });
  }

  test('when the way is cut the connection finds another, and nobody joins anew', async () => {
    const connection = { iceTransportPolicy: 'relay', relays: 'transport=tcp' };
    // Between clients and relay: the same port at another address.
    const env = { BEDSIDE__TURN__HOST: '127.0.0.2' };
    let wire;
    const prepare = async (data, { turnPort }) => {
      wire = await Wire.between({ host: '127.0.0.2', port: turnPort }, { host: '127.0.0.1', port: turnPort });
      return {};
    };
    await visit({ connection, turn: true, env, prepare }, async ({ patient, provider }) => {
      for (let n = 0; n < 3; n++) {
        const before = await Promise.all([patient, provider].map(({ page }) => counters(page)));
        assert.ok(wire.cut() >= 2, 'both went through the wire');
        for (const [at, { page }] of [patient, provider].entries()) {
          await until(async () => (await counters(page)).framesDecoded >= before[at].framesDecoded + 30, { what: `30 more frames come after cut ${n}`, within: 40_000 });
          assert.equal(await page.evaluate(() => window.__bedsidePeers.length), 1, 'it is the same connection');
        }
      }
    });
    await wire.close();
  });

  test('where nothing but HTTPS gets through: by the relay, by TLS, on the port of the page', async () => {
    const folder = await dataFolder();
    const tls = await selfSigned(folder);
    const flags = ['--ignore-certificate-errors'];
    await visit({ connection: { iceTransportPolicy: 'relay' }, flags, tls }, async (those) => {
      await relayedBy('tls', those);
    });
    await rm(folder, { recursive: true, force: true });
  });
});

/** Both send and get media by the relay and by nothing else. */
async function relayedBy(transport, { server, patient, provider }) {
  for (const { page } of [patient, provider]) {
    assert.deepEqual(await paths(page), [{ protocol: 'udp', local: 'relay', relay: transport }]);
    const before = await counters(page);
    await until(async () => (await counters(page)).framesDecoded >= before.framesDecoded + 30, { what: '30 more frames come', within: 20_000 });
  }
  assert.equal(await server.metric('bedside_turn_refused_total'), 0);
  assert.ok((await server.metric('bedside_turn_allocations')) >= 2);
  const carried = await server.metric('bedside_turn_packets_total');
  assert.ok(carried > 500, `${carried} packets went through the relay`);
}
