// Attacks and endurance ask far more often than people do.

import { execFileSync } from 'node:child_process';
import { BINARY } from '../../web-client/e2e/lib/server.mjs';

const MANY = 1_000_000;

/** Environment that lifts the limits of how often one may ask; nothing else. The server says which there are. */
export function unlimited() {
  const { limits = {} } = JSON.parse(execFileSync(BINARY, ['config', 'check'], { encoding: 'utf8' }));
  return Object.fromEntries(Object.keys(limits).map((name) => [`BEDSIDE__LIMITS__${name.toUpperCase()}`, String(MANY)]));
}
