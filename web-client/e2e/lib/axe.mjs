// What axe finds wrong on a page, by the rules of WCAG 2.2 A and AA and its best practices.

import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import assert from 'node:assert/strict';

// Run by the browser's debugger, so that the site's own Content-Security-Policy stays as it is.
const SOURCE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

/** Fails with one line per violation, if there are any. */
export async function isAccessible(page, what) {
  await page.evaluate(SOURCE);
  const { violations, passes } = await page.evaluate(() => globalThis.axe.run(document, { resultTypes: ['violations'] }));
  assert.ok(passes.length > 5, `${what}: axe has looked at nothing`);
  const lines = violations.flatMap(({ id, help, nodes }) => nodes.map((node) => `${id}: ${help}: ${node.target.join(' ')} ${node.html.slice(0, 160)}`));
  assert.deepEqual(lines, [], what);
}
