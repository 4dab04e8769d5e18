// Opens every sealed value of a database, by a second implementation of the format that `records/src/seal.rs` writes: with
// the key ring, the wrapped data keys and nothing else. A value tells by its own head that it is sealed; where it stands, and so
// under which words it was sealed, is found by trying what its row says. A column that is added is opened without a word here.

import { createDecipheriv, createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { rows } from './database.mjs';

/** Columns whose values were sealed for another place, before a migration moved them. */
const BOUND_AS = { 'second_factor.totp_secret': 'staff.totp_secret' };
/** Sealed for the hash of what the row says, which only the server spells the same way. */
const LEFT_TO_THE_SERVER = ['audit_event.detail_sealed'];

const HEAD = 17;
const TAG = 16;
const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

function decrypt(key, nonce, sealed, bound) {
  const cipher = createDecipheriv('aes-256-gcm', key, nonce);
  cipher.setAAD(Buffer.from(bound));
  cipher.setAuthTag(sealed.subarray(sealed.length - TAG));
  try {
    return Buffer.concat([cipher.update(sealed.subarray(0, sealed.length - TAG)), cipher.final()]);
  } catch {
    return undefined;
  }
}

/** Data keys by owner and version, unwrapped: a clinic has one for each purpose. Keys that were destroyed are left out. */
async function dataKeys(data) {
  const { keys } = JSON.parse(readFileSync(join(data, 'keyring.json'), 'utf8'));
  const ring = new Map(keys.map(({ id, key }) => [id, Buffer.from(key, 'base64')]));
  const found = new Map();
  for (const row of await rows(data, 'SELECT purpose, owner_id, version, wrapping_key, wrapped FROM data_key WHERE wrapped IS NOT NULL')) {
    const wrapped = bytesOf(row.wrapped);
    const wrapping = ring.get(row.wrapping_key);
    const key = wrapping && decrypt(wrapping, wrapped.subarray(0, 12), wrapped.subarray(12), `data_key|${row.purpose}|${row.owner_id}|${row.version}`);
    if (!key) throw new Error(`the data key of ${row.purpose} ${row.owner_id} does not unwrap`);
    const name = `${row.owner_id}|${row.version}`;
    found.set(name, [...(found.get(name) ?? []), key]);
  }
  return found;
}

const bytesOf = (shown) => Buffer.from(shown.slice(2), 'hex');

/** RFC 9562, version 5: what stands for an idempotency key, which is no UUID. */
function uuid5(namespace, name) {
  const hash = createHash('sha1').update(Buffer.from(namespace.replaceAll('-', ''), 'hex')).update(name).digest().subarray(0, 16);
  hash[6] = (hash[6] & 0x0f) | 0x50;
  hash[8] = (hash[8] & 0x3f) | 0x80;
  return hash.toString('hex').replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-');
}

/** What is sealed begins with its format, 1, and a small version of the key, big endian. */
const isSealed = (value) => value.length >= HEAD + TAG && value[0] === 1 && value.readUInt32BE(1) > 0 && value.readUInt32BE(1) < 1_000;

/**
 * Opens all that is sealed.
 * @returns {Promise<{opened: Record<string, number>, wrong: string[]}>} how many values of which column; what does not open
 */
export async function openAll(data) {
  const keys = await dataKeys(data);
  const owners = [...new Set([...keys.keys()].map((key) => key.split('|')[0]))];
  const knownOwner = new Map();
  const columns = await rows(
    data,
    `SELECT c.relname AS table, a.attname AS column FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
     WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition
       AND a.atttypid = 'bytea'::regtype AND NOT a.attisdropped ORDER BY 1, 2`,
  );
  const opened = {};
  const wrong = [];
  for (const table of new Set(columns.map((column) => column.table))) {
    const own = columns.filter((column) => column.table === table).map(({ column }) => column);
    for (const row of await rows(data, `SELECT * FROM "${table}"`)) {
      const ids = Object.values(row).filter((value) => UUID.test(value));
      // A row that has no id of its own: what it is called, within whose it is.
      if (row.key) ids.push(...ids.map((id) => uuid5(id, row.key)));
      const parts = [0, ...Object.values(row).filter(Number.isInteger)];
      for (const column of own) {
        if (row[column] === null) continue;
        const value = bytesOf(row[column]);
        const at = `${table}.${column}`;
        if (LEFT_TO_THE_SERVER.includes(at)) continue;
        if (!isSealed(value)) {
          if (opened[at]) wrong.push(`${at} of ${ids[0]} is not sealed, others are`);
          continue;
        }
        const likely = [...ids.map((id) => knownOwner.get(id)).filter(Boolean), ...ids.filter((id) => owners.includes(id))];
        const owner = [...new Set([...likely, ...owners])].find((owner) => opens(keys, value, BOUND_AS[at] ?? at, ids, parts, owner));
        if (!owner) wrong.push(`${at} of ${ids[0]} does not open`);
        else {
          opened[at] = (opened[at] ?? 0) + 1;
          for (const id of ids) if (!owners.includes(id)) knownOwner.set(id, owner);
        }
      }
    }
  }
  return { opened, wrong };
}

function opens(keys, value, at, ids, parts, owner) {
  const version = value.readUInt32BE(1);
  const known = keys.get(`${owner}|${version}`) ?? [];
  return known.some((key) => ids.some((id) => parts.some((part) => decrypt(key, value.subarray(5, HEAD), value.subarray(HEAD), `${at}|${id}|${part}|${owner}|${version}`))));
}
