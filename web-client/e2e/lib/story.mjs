// A story told in steps: each needs the ones before it, so that after a failure the rest is skipped, not failed anew.

import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';

/**
 * @param {() => {server?: import('./server.mjs').Server, people?: object}} scene what to take pictures of when a step fails
 * @returns {(name: string, body: () => Promise<void>) => void}
 */
export function story(scene) {
  let broken;
  return (name, body) =>
    test(name, async (context) => {
      if (broken) return context.skip(`after the failure of: ${broken}`);
      try {
        await body(context);
      } catch (error) {
        broken = name;
        await keepEvidence(name, scene()).catch(() => {});
        throw error;
      }
    });
}

/** Pictures, consoles and the server's output of the moment of a failure, in target/e2e. */
async function keepEvidence(name, { server, people = {} }) {
  const folder = join('target', 'e2e', name.replace(/[^a-z0-9]+/gi, '-').slice(0, 60));
  await mkdir(folder, { recursive: true });
  if (server) await writeFile(join(folder, 'server.log'), server.output);
  for (const [who, person] of Object.entries(people)) {
    if (!person) continue;
    await writeFile(join(folder, `${who}.log`), person.log.join('\n'));
    await person.page.screenshot({ path: join(folder, `${who}.png`), timeout: 5_000 });
  }
}
