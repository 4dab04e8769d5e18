// A visit out of networks that let little out: the same page, other ways for media.

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { counters, hears, paths, seesMoving } from './lib/media.mjs';
import { Patient, Staff } from './lib/people.mjs';
import { Server } from './lib/server.mjs';

/** Patient and provider meet; `look` is given both once each sees and hears the other. */
async function visit({ env }, look) {
  const server = await Server.start({ env });
  let patient, provider;
  try {
    const demo = await server.demo();
    patient = await Patient.at({ base: server.base, visit: demo.visits[0] });
    provider = await Staff.at({ base: server.base, account: demo.provider });
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
});
