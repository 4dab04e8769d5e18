// The private PostgreSQL of a server under test, asked as its owner: what is really stored, whoever may see it.

import { execFile } from 'node:child_process';
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** The folder of PostgreSQL's programs. */
export const PROGRAMS = newest();

function newest() {
  const all = readdirSync('/usr/lib/postgresql').sort((a, b) => Number(b) - Number(a));
  if (all.length === 0) throw new Error('PostgreSQL is not installed; run scripts/setup test');
  return join('/usr/lib/postgresql', all[0], 'bin');
}

const reach = (data) => ['-h', join(data, 'postgres', 'socket'), '-U', 'bedside_owner', '-d', 'bedside'];

/** Rows as objects. `query` is SQL without a final semicolon. */
export async function rows(data, query) {
  const whole = `SELECT coalesce(json_agg(answer), '[]') FROM (${query}) answer`;
  const { stdout } = await run(join(PROGRAMS, 'psql'), [...reach(data), '-XAtq', '-v', 'ON_ERROR_STOP=1', '-c', whole], { maxBuffer: 1 << 30 });
  return JSON.parse(stdout);
}

/** Runs a statement for its effect. */
export async function execute(data, statement) {
  await run(join(PROGRAMS, 'psql'), [...reach(data), '-Xq', '-v', 'ON_ERROR_STOP=1', '-c', statement]);
}

/** Everything that is in the database, as text: the schema, and each table's rows by its name. */
export async function dump(data) {
  const { stdout } = await run(join(PROGRAMS, 'pg_dump'), reach(data), { maxBuffer: 1 << 30 });
  const [schema, ...tables] = stdout.split(/^COPY /m);
  return [['the schema', schema], ...tables.map((table) => [table.split(/[ (]/)[0], table])];
}

/** The process id of the postmaster over `data`. */
export function postmasterOf(data) {
  return Number(readFileSync(join(data, 'postgres', 'postmaster.pid'), 'utf8').split('\n')[0]);
}
