// The second factor as an authenticator app computes it (RFC 6238: HMAC-SHA-1, 30 s, 6 digits).

import { createHmac } from 'node:crypto';
import { until } from './until.mjs';

const STEP_S = 30;
const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567';

/** RFC 4648 base32, padding and spaces ignored. */
export function decodeBase32(text) {
  let bits = 0;
  let held = 0;
  const bytes = [];
  for (const letter of text.toUpperCase().replace(/[=\s]/g, '')) {
    const value = ALPHABET.indexOf(letter);
    if (value < 0) throw new Error(`not base32: ${letter}`);
    held = (held << 5) | value;
    bits += 5;
    if (bits >= 8) {
      bits -= 8;
      bytes.push((held >>> bits) & 0xff);
    }
  }
  return Buffer.from(bytes);
}

/** The code of one 30-second step. */
export function codeAt(secret, step) {
  const counter = Buffer.alloc(8);
  counter.writeBigUInt64BE(BigInt(step));
  const digest = createHmac('sha1', decodeBase32(secret)).update(counter).digest();
  const offset = digest[digest.length - 1] & 0x0f;
  return String((digest.readUInt32BE(offset) & 0x7fff_ffff) % 1_000_000).padStart(6, '0');
}

const lastStep = new Map();

/**
 * A code that was not used yet. The server refuses a step that it has seen and accepts one step ahead,
 * so the third sign-in of one account within half a minute waits for the clock.
 */
export async function freshCode(secret) {
  const now = () => Math.floor(Date.now() / 1000 / STEP_S);
  const step = Math.max((lastStep.get(secret) ?? 0) + 1, now());
  lastStep.set(secret, step);
  await until(() => step <= now() + 1, { what: 'the next one-time code is accepted', within: 2 * STEP_S * 1000, every: 100 });
  return codeAt(secret, step);
}
