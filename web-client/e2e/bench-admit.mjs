// How long from the click on `Admit` to the first picture of the other one, in two real browsers.
// Every run begins with freshly loaded pages, so that no decoder is warm. Both directions are measured.
// usage: node bench-admit.mjs [RUNS] [OUT.json]

import { mkdir, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { Patient, Staff } from './lib/people.mjs';
import { Server } from './lib/server.mjs';
import { until } from './lib/until.mjs';

const runs = Number(process.argv[2] ?? 20);
const out = process.argv[3] ?? 'target/bench/admit.json';
const TARGET_MS = 150;

const server = await Server.start();
const demo = await server.demo();
const visit = demo.visits[0];
const patient = await Patient.at({ base: server.base, visit });
const provider = await Staff.at({ base: server.base, account: demo.provider });
const firstFrame = (page, name) => page.evaluate((label) => window.__bedsideFirstFrame[label], name);
const times = { provider: [], patient: [] };

try {
  await provider.signsIn();
  const names = await provider.namesIn(visit);
  await patient.checksIn();
  await provider.opensVisit(visit);
  for (let run = 0; run < runs; run++) {
    await Promise.all([patient.transportIsUp(), provider.transportIsUp()]);
    await provider.press('Admit');
    const clicked = await provider.page.evaluate(() => Object.entries(window.__bedsideClick).find(([name]) => name.startsWith('Admit'))[1]);
    const [atProvider, atPatient] = await Promise.all([
      until(() => firstFrame(provider.page, names.patient), { what: 'the provider sees the patient' }),
      until(() => firstFrame(patient.page, names.provider), { what: 'the patient sees the provider' }),
    ]);
    times.provider.push(atProvider - clicked);
    times.patient.push(atPatient - clicked);
    console.log(`run ${run + 1}: provider ${Math.round(atProvider - clicked)} ms, patient ${Math.round(atPatient - clicked)} ms`);
    if (run + 1 < runs) {
      await provider.returnsToWaiting(names.patient);
      await patient.seesState('Waiting');
      await Promise.all([provider.page.reload(), patient.reloadsWaiting()]);
      await provider.button('Admit').first().waitFor();
    }
  }
} finally {
  await patient.leaveBrowser();
  await provider.leaveBrowser();
  await server.stop();
}

const quantile = (values, q) => [...values].sort((a, b) => a - b)[Math.min(values.length - 1, Math.ceil(q * values.length) - 1)];
const report = (values) => ({ p50: Math.round(quantile(values, 0.5)), p95: Math.round(quantile(values, 0.95)), min: Math.round(Math.min(...values)), max: Math.round(Math.max(...values)), runs: values.length });
const all = [...times.provider, ...times.patient];
const result = {
  name: 'P3',
  value: report(all).p95,
  unit: 'ms, p95, Admit -> first remote frame shown, loopback',
  target: TARGET_MS,
  met: report(all).p95 <= TARGET_MS,
  runs: all.length,
  spread: [report(all).min, report(all).max],
  how: 'node web-client/e2e/bench-admit.mjs',
  p50: report(all).p50,
  provider: report(times.provider),
  patient: report(times.patient),
};
await mkdir(dirname(out), { recursive: true });
await writeFile(out, `${JSON.stringify(result, null, 2)}\n`);
console.log(`Admit -> first frame: p50 ${result.p50} ms, p95 ${result.value} ms over ${result.runs} first frames (target p95 <= ${TARGET_MS} ms)`);
