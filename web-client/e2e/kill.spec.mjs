// The server dies in the middle of a visit and of a recording; nothing that was acknowledged is lost.

import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { Client, expectStatus } from './lib/http.mjs';
import { SHOWN, decodedSeconds, halves, isTrueLength, probe, seesMoving } from './lib/media.mjs';
import { Patient, Staff } from './lib/people.mjs';
import { Server } from './lib/server.mjs';
import { story } from './lib/story.mjs';
import { until } from './lib/until.mjs';

const NOTE = 'Cough since Monday, no fever. Lungs to be listened to at the next visit in person.';
const RECORDED_MS = 6_000;

describe('the server is killed in mid-visit and mid-recording', { timeout: 300_000 }, () => {
  let server, visit, patient, provider, names, truth;
  const step = story(() => ({ server, people: { patient, provider } }));

  step('a server with a demo clinic is up', async () => {
    server = await Server.start();
    const demo = await server.demo();
    visit = demo.visits[0];
    patient = await Patient.at({ base: server.base, visit });
    provider = await Staff.at({ base: server.base, account: demo.provider });
    await Promise.all([patient.checksIn(), provider.signsIn()]);
    names = await provider.namesIn(visit);
    await provider.opensVisit(visit);
    await provider.press('Admit');
    await Promise.all([seesMoving(provider.page, names.patient), seesMoving(patient.page, names.provider)]);
  });

  after(async () => {
    await patient?.leaveBrowser();
    await provider?.leaveBrowser();
    await server?.stop();
  });

  step('both come back by themselves, with moving pictures', async () => {
    await provider.chat('The line that must stay.');
    await patient.press('Chat');
    await patient.sees('The line that must stay.');
    await provider.note.fill(NOTE);
    await provider.noteIsSaved(visit, NOTE);
    await provider.startsRecordingWith(patient);
    const { on } = await provider.recordingTimes();
    const wallClock = () => performance.timeOrigin + performance.now();
    await until(() => wallClock() - on >= RECORDED_MS, { what: 'some seconds are recorded', within: 2 * RECORDED_MS });

    const killed = wallClock();
    await server.kill();
    truth = { atLeast: killed - on, atMost: wallClock() - (await provider.allowedByBothAt(patient)) };
    await Promise.all([provider.seesState('Reconnecting'), patient.seesState('Reconnecting')]);
    await server.startAgain();

    const within = 45_000;
    await Promise.all([seesMoving(provider.page, names.patient, { within }), seesMoving(patient.page, names.provider, { within })]);
    await Promise.all([provider.seesNot('Reconnecting'), patient.seesNot('Reconnecting')]);
    assert.equal(await provider.isRecording(), false, 'the recording does not go on without being asked again');
  });

  step('chat and note are still there', async () => {
    await provider.sees('The line that must stay.');
    await patient.sees('The line that must stay.');
    assert.equal((await provider.api(`/visits/${visit.visit_id}/note`)).body, NOTE);
    assert.equal(await provider.note.inputValue(), NOTE);
    const { items } = await provider.api(`/visits/${visit.visit_id}/timeline`);
    assert.ok(items.some((item) => JSON.stringify(item).includes('The line that must stay.')), 'the timeline has the line');
    const numbers = items.map((item) => item.seq);
    assert.deepEqual(numbers, [...new Set(numbers)].sort((a, b) => a - b), 'no fact is missing, doubled or out of order');
  });

  step('the recording up to one second before the kill is composed and plays', async () => {
    await provider.recordingIsReady(visit);
    const { items } = await provider.api(`/visits/${visit.visit_id}/recordings`);
    const client = new Client(server.base).takeCookies(await provider.cookies());
    const file = join(server.data, 'after-the-kill.webm');
    await writeFile(file, expectStatus(await client.get(`/recordings/${items[0].recording_id}/media`), 200).bytes);
    const { duration, video, audio } = await probe(file);
    assert.ok(video && audio, 'video and audio are there');
    const decoded = await decodedSeconds(file);
    isTrueLength(duration, truth);
    isTrueLength(decoded, truth);
    const { left, right } = await halves(file, decoded - 1);
    assert.ok(left.mean > SHOWN && right.mean > SHOWN, `both can be seen near the end (${left.mean}, ${right.mean})`);
  });
});

test('killed ten times in a row and started at once, it comes up every time', { timeout: 120_000 }, async () => {
  const server = await Server.start();
  try {
    const { visits } = await server.demo();
    for (let round = 0; round < 10; round++) {
      await server.kill();
      // At once: the database of the killed server is still going down.
      await server.startAgain();
    }
    assert.deepEqual((await server.demo()).visits, visits, 'the same visits with the same links');
  } finally {
    await server.stop();
  }
});
