// After a visit: the admin sees how good the call was, compliance proves who did what, neither sees more.

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { DESK } from './lib/browser.mjs';
import { Client, expectStatus, measured } from './lib/http.mjs';
import { seesMoving } from './lib/media.mjs';
import { Patient, Staff } from './lib/people.mjs';
import { Server } from './lib/server.mjs';

describe('quality and audit of a visit', { timeout: 240_000 }, () => {
  let server, demo, visit, names, provider, adminClient;

  before(async () => {
    server = await Server.start();
    demo = await server.demo();
    visit = demo.visits[0];
    const patient = await Patient.at({ base: server.base, visit });
    provider = await Staff.at({ base: server.base, account: demo.provider });
    try {
      await Promise.all([patient.checksIn(), provider.signsIn()]);
      names = await provider.namesIn(visit);
      await provider.opensVisit(visit);
      await provider.press('Admit');
      await Promise.all([seesMoving(provider.page, names.patient), seesMoving(patient.page, names.provider)]);
      adminClient = await new Client(server.base).signIn(demo.clinic_admin);
      await measured(adminClient, visit, { points: 2 });
      await provider.endsVisit();
      await provider.seesState('Visit ended');
    } finally {
      await patient.leaveBrowser();
    }
  });

  after(async () => {
    await provider?.leaveBrowser();
    await server?.stop();
  });

  test('the admin sees the visit in the list and its numbers over time, without the patient', async () => {
    const admin = await Staff.at({ base: server.base, account: demo.clinic_admin, viewport: DESK });
    try {
      await adminClient.lendCookies(admin.context);
      await admin.page.goto(server.base);
      const list = await admin.api('/quality/visits');
      const mine = list.items.find((item) => item.visit_id === visit.visit_id);
      assert.ok(mine, 'the visit is in the list');
      assert.equal(mine.participants.length, 2);
      for (const { mos, round_trip_ms: roundTrip, loss, bitrate_bps: bitrate } of mine.participants) {
        assert.ok(mos >= 1 && mos <= 4.5, `MOS ${mos}`);
        assert.ok(roundTrip >= 0 && roundTrip < 1_000, `round trip ${roundTrip} ms`);
        assert.ok(loss >= 0 && loss <= 1, `loss ${loss}`);
        assert.ok(bitrate > 10_000, `bitrate ${bitrate}`);
      }
      assert.ok(!JSON.stringify(list).includes(names.patient), 'no patient is named');

      const { series, formula } = await admin.api(`/quality/visits/${visit.visit_id}`);
      assert.match(formula, /G\.107/);
      assert.equal(series.length, 4, 'two people, two directions');
      for (const { points, direction } of series) {
        assert.ok(points.length >= 2, `${direction} has points`);
        assert.ok(points.some((point) => point.bitrate_bps > 10_000), `${direction} carried media`);
      }

      await admin.opensQualityOf(names.provider);
      assert.ok((await admin.page.locator('.uplot canvas').count()) >= 4, 'round trip, loss, jitter and bitrate are plotted');
      for (const unit of [/round trip/i, /loss/i, /jitter/i, /bitrate/i]) await admin.page.getByText(unit).first().waitFor();
      assert.ok(!(await admin.page.content()).includes(names.patient), 'the page names no patient');
      assert.equal((await admin.context.request.get(`/api/v1/visits/${visit.visit_id}/note`)).status(), 403);
    } finally {
      await admin.leaveBrowser();
    }
  });

  test('compliance finds who admitted whom, and who looked', async () => {
    const officer = await Staff.at({ base: server.base, account: demo.compliance, viewport: DESK });
    try {
      await officer.signsIn();
      const all = [];
      for (let cursor = ''; cursor !== null; ) {
        const page = await officer.api(cursor ? `/audit?cursor=${encodeURIComponent(cursor)}` : '/audit');
        all.push(...page.items);
        cursor = page.next_cursor ?? null;
      }
      const admitted = all.find((row) => /admit/.test(row.action) && row.outcome !== 'denied');
      assert.ok(admitted, `an admission is in the log: ${[...new Set(all.map((row) => row.action))].join(', ')}`);
      assert.equal(admitted.actor_role, 'provider');
      assert.equal(admitted.actor_name, names.provider);
      assert.ok(admitted.patient_id, 'it names whom, by id');
      assert.ok(!JSON.stringify(all).includes(names.patient), 'the log names no patient in clear');
      assert.ok(all.some((row) => row.actor_role === 'clinic_admin'), 'the admin who looked is in it too');

      await officer.page.getByText('Was admitted').filter({ visible: true }).first().waitFor();

      const { page } = officer;
      await page.getByRole('tab', { name: 'Who viewed a patient' }).click();
      await page.getByRole('combobox', { name: 'Patient' }).fill(names.patient.slice(0, 4));
      await page.getByRole('option', { name: names.patient }).click();
      await page.getByRole('rowheader', { name: names.provider }).waitFor();

      await page.getByRole('tab', { name: 'Integrity' }).click();
      await page.getByRole('button', { name: 'Verify now' }).click();
      await page.getByText('The log is as it was sealed').waitFor();

      await page.getByRole('tab', { name: 'Entries' }).click();
      const [saved] = await Promise.all([page.waitForEvent('download'), page.getByRole('button', { name: 'Export' }).click()]);
      assert.match(saved.suggestedFilename(), /^audit-\d{4}-\d\d-\d\d\.jsonl$/);
    } finally {
      await officer.leaveBrowser();
    }
  });

  test('the log can not be changed by anyone over the API', async () => {
    const officer = await new Client(server.base).signIn(demo.compliance);
    for (const method of ['POST', 'PUT', 'PATCH', 'DELETE']) {
      assert.equal((await officer.send(method, '/audit')).status, 405, method);
    }
    expectStatus(await officer.get('/audit'), 200);
  });

  test('estimates are on /metrics without naming anyone', async () => {
    const text = await (await fetch(`${server.base}/metrics`)).text();
    assert.match(text, /^bedside_call_mos/m);
    assert.match(text, /^bedside_call_round_trip_seconds/m);
    assert.ok(text.split('\n').every((line) => line === '' || line.startsWith('#') || line.startsWith('bedside_')), 'every name begins with bedside_');
    assert.ok(!text.includes(names.patient) && !text.includes(visit.visit_id));
  });
});
