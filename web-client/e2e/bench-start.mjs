// Start-up: process start until /readyz, over a brand-new folder and over one that is there.
// usage: node bench-start.mjs [RUNS] [OUT.json]

import { mkdir, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { Server } from './lib/server.mjs';

const runs = Number(process.argv[2] ?? 5);
const out = process.argv[3] ?? 'target/bench/start.json';
const fresh = [];
const again = [];

for (let run = 0; run < runs; run++) {
  const server = await Server.start();
  fresh.push(server.readyMs);
  await server.terminate();
  again.push(await server.startAgain());
  await server.stop();
}

const median = (values) => [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)];
const figure = (name, values, target) => ({
  name,
  value: Math.round(median(values)),
  unit: 'ms, median',
  target,
  met: median(values) <= target,
  runs: values.length,
  spread: [Math.round(Math.min(...values)), Math.round(Math.max(...values))],
  how: 'node web-client/e2e/bench-start.mjs',
});
const figures = [figure('P11 data present', again, 500), figure('P11 brand-new', fresh, 4_000)];
await mkdir(dirname(out), { recursive: true });
await writeFile(out, `${JSON.stringify(figures, null, 2)}\n`);
for (const { name, value, spread, target } of figures) console.log(`${name}: ${value} ms (${spread.join('-')}), target <= ${target}`);
