// One visit from the link to the signed note, with two real browsers, and then its recording.

import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, describe } from 'node:test';
import { Client, expectStatus } from './lib/http.mjs';
import { SHOWN, counters, decodedSeconds, halves, hears, isTrueLength, loudness, probe, seesMoving } from './lib/media.mjs';
import { Patient, Staff } from './lib/people.mjs';
import { Server } from './lib/server.mjs';
import { story } from './lib/story.mjs';
import { until } from './lib/until.mjs';

const NOTE = 'Knee pain for two weeks, better at rest. Advised ice and review in ten days.';
const wallClock = () => performance.timeOrigin + performance.now();
// Long enough that a second more or less would show.
const RECORDED_MS = 8_000;

describe('one visit, end to end', { timeout: 300_000 }, () => {
  let server, visit, patient, provider, names, truth;
  const step = story(() => ({ server, people: { patient, provider } }));

  step('a server with a demo clinic is up', async () => {
    server = await Server.start();
    const demo = await server.demo();
    visit = demo.visits[0];
    patient = await Patient.at({ base: server.base, visit });
    provider = await Staff.at({ base: server.base, account: demo.provider });
  });

  after(async () => {
    await patient?.leaveBrowser();
    await provider?.leaveBrowser();
    await server?.stop();
  });

  step('the patient checks in from a link and waits', async () => {
    await patient.checksIn();
  });

  step('the provider signs in with a second factor and sees who waits', async () => {
    await provider.signsIn();
    names = await provider.namesIn(visit);
    await provider.sees(names.patient);
    await provider.opensVisit(visit);
    await provider.button('Admit').first().waitFor();
  });

  step('not one packet is forwarded before Admit, though both transports are up and send', async () => {
    await patient.transportIsUp();
    await provider.transportIsUp();
    assert.equal((await counters(patient.page)).packetsIn, 0, 'the patient received media');
    assert.equal((await counters(provider.page)).packetsIn, 0, 'the provider received media');
    assert.equal((await counters(patient.page)).framesDecoded, 0);
    assert.equal((await counters(provider.page)).framesDecoded, 0);
    assert.equal(await server.metric('bedside_sfu_packets_forwarded_total'), 0, 'the server forwarded media');
  });

  step('after Admit both see a moving picture and hear each other', async () => {
    await provider.press('Admit');
    await Promise.all([seesMoving(provider.page, names.patient), seesMoving(patient.page, names.provider)]);
    await Promise.all([hears(provider.page), hears(patient.page)]);
    // The counters that were 0 before are not blind.
    assert.ok((await counters(patient.page)).packetsIn > 0 && (await counters(provider.page)).packetsIn > 0);
    assert.ok((await server.metric('bedside_sfu_packets_forwarded_total')) > 0);
  });

  step('chat goes both ways', async () => {
    await provider.chat('Good morning, can you hear me?');
    await patient.press('Chat');
    await patient.sees('Good morning, can you hear me?');
    await patient.chat('Yes, very well.');
    await provider.sees('Yes, very well.');
  });

  step('recording begins when both have allowed it and stops when the patient withdraws', async () => {
    await provider.press('Start recording');
    await provider.press('Allow recording');
    assert.equal(await provider.isRecording(), false, 'one answer is not enough');
    await patient.press('Allow recording');
    await Promise.all([provider.seesRecording(), patient.seesRecording()]);
    const { on } = await provider.recordingTimes();
    await until(() => wallClock() - on >= RECORDED_MS, { what: 'something worth watching is recorded', within: 2 * RECORDED_MS });
    await patient.withdrawsRecording();
    await Promise.all([provider.seesNoRecording(), patient.seesNoRecording()]);
    // Capture begins between the last `Allow recording` and the sign, and ends between withdrawing and the sign's going.
    const { off } = await provider.recordingTimes();
    truth = { atLeast: (await patient.pressedAt('Do not record')) - on, atMost: off - (await provider.allowedByBothAt(patient)) };
  });

  step('the note survives a reload, is signed, and then can not be edited', async () => {
    await provider.note.fill(NOTE);
    await provider.noteIsSaved(visit, NOTE);
    await provider.page.reload();
    await until(async () => (await provider.note.inputValue().catch(() => '')) === NOTE, { what: 'the draft is there after the reload' });
    await seesMoving(provider.page, names.patient);
    await provider.signsNote();
    await provider.sees(NOTE);
    assert.equal(await provider.noteCanBeEdited(), false);
    const note = await provider.api(`/visits/${visit.visit_id}/note`);
    assert.equal(note.state, 'signed');
    const again = await provider.context.request.put(`/api/v1/visits/${visit.visit_id}/note`, {
      data: { body: 'changed' },
      headers: { 'if-match': `"${note.version}"`, origin: server.base },
    });
    assert.equal(again.status(), 409);
    assert.equal((await again.json()).code, 'note.signed');
  });

  step('the provider ends the visit for both', async () => {
    await provider.endsVisit();
    await Promise.all([provider.seesState('Visit ended'), patient.seesState('Visit ended')]);
  });

  step('the recording plays in the page, with seeking', async () => {
    await provider.recordingIsReady(visit);
    const player = await provider.opensRecording(visit);
    await until(async () => (await player.evaluate((video) => video.readyState)) >= 1, { what: 'the player knows the recording' });
    const duration = await player.evaluate((video) => video.duration);
    isTrueLength(duration, truth);
    await player.evaluate((video, second) => {
      video.muted = true;
      video.currentTime = second;
      return video.play();
    }, duration / 2);
    await until(async () => (await player.evaluate((video) => video.currentTime)) > duration / 2 + 0.5, { what: 'it plays on from the middle' });
  });

  step('the file holds both people and their voices and is as long as the truth', async () => {
    const { items } = await provider.api(`/visits/${visit.visit_id}/recordings`);
    assert.equal(items.length, 1);
    const client = new Client(server.base).takeCookies(await provider.cookies());
    const whole = expectStatus(await client.get(`/recordings/${items[0].recording_id}/media`), 200);
    const part = expectStatus(await client.get(`/recordings/${items[0].recording_id}/media`, { headers: { range: 'bytes=1000-1999' } }), 206);
    assert.deepEqual(part.bytes, whole.bytes.subarray(1000, 2000));
    const file = join(server.data, 'downloaded.webm');
    await writeFile(file, whole.bytes);

    const { duration, video, audio } = await probe(file);
    assert.ok(video && audio, 'video and audio are there');
    isTrueLength(duration, truth);
    isTrueLength(await decodedSeconds(file), truth);
    const { left, right } = await halves(file, duration / 2);
    for (const [side, { mean, spread }] of Object.entries({ left, right })) {
      assert.ok(mean > SHOWN && spread > 8, `the ${side} half shows someone (mean ${mean}, spread ${spread})`);
    }
    assert.ok((await loudness(file)) > -60, 'voices are in it');
  });
});
