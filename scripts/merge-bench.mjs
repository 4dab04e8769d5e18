// merge-bench DIR: every figure of DIR/*.json in DIR/summary.json, keyed by its name, and as a table.
// A figure is {name, value, unit, target?, met?, runs, spread, how}; a file holds one or a list.

import { readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const dir = process.argv[2];
const summary = {};
for (const file of readdirSync(dir).sort()) {
  if (!file.endsWith('.json') || file === 'summary.json') continue;
  for (const { name, ...figure } of [JSON.parse(readFileSync(join(dir, file), 'utf8'))].flat()) {
    if (typeof name !== 'string' || typeof figure.value !== 'number') continue;
    if (name in summary) throw new Error(`${file}: the figure ${name} is there twice`);
    summary[name] = figure;
  }
}
writeFileSync(join(dir, 'summary.json'), `${JSON.stringify(summary, null, 2)}\n`);

const number = (value) => (Math.abs(value) >= 100 ? Math.round(value).toLocaleString('en-US') : String(Math.round(value * 100) / 100));
for (const [name, { value, unit, target, met, spread }] of Object.entries(summary)) {
  const wanted = target === undefined || target === null ? '' : `  target ${number(target)}: ${met ? 'met' : 'NOT met'}`;
  const range = Array.isArray(spread) ? `  [${spread.map(number).join(' - ')}]` : '';
  console.log(`${name.padEnd(28)} ${number(value).padStart(10)} ${unit}${range}${wanted}`);
}
