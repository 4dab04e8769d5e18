// Patients' data and secrets are planted through every flow of a real server, good requests and bad ones. Afterwards
// they stand nowhere in clear: not in logs of any level, metrics, PostgreSQL's files and write-ahead log, a dump, the
// data folder, temporary files or the process table, in no form that somebody might have written them down in.

import assert from 'node:assert/strict';
import { readFileSync, readdirSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { Client } from '../web-client/e2e/lib/http.mjs';
import { Server } from '../web-client/e2e/lib/server.mjs';
import * as canaries from './lib/canaries.mjs';
import { castOf, operationsOf } from './lib/cast.mjs';
import { dump, execute, postmasterOf, rows } from './lib/database.mjs';
import { asEveryone, theVisit } from './lib/flows.mjs';
import { unlimited } from './lib/limits.mjs';

/** The demonstration's accounts, written for whoever tries it (mode 0600); there is none without `--demo`. */
const MEANT_TO_TELL = ['demo.json'];

test('the search finds a canary in each form, wherever it is planted', () => {
  const search = new canaries.Search();
  search.watch('a token', 'uTHs1JvWqk09-_ZzQ4');
  for (const planted of [canaries.MARK, 'uTHs1JvWqk09-_ZzQ4', '+1 773 190 4077', canaries.BORN]) {
    const forms = Object.entries(canaries.forms(planted.startsWith('+') ? '7731904' : planted));
    for (const [form, bytes] of [...forms, ['UTF-16BE', Buffer.from(planted, 'utf16le').swap16()]]) {
      if (!form.startsWith('base64')) assert.notDeepEqual(search.in('a log', Buffer.concat([Buffer.from('{"name":"'), bytes, Buffer.from('"}')])), [], form);
    }
    for (const before of ['', 'a', 'ab', 'abc']) {
      const log = Buffer.from(Buffer.from(`${before}${planted} and more`).toString('base64url'));
      if (!planted.startsWith('+')) assert.notDeepEqual(search.in('a log', log), [], `base64 of ${before.length} letters and ${planted}`);
    }
  }
  for (const planted of [canaries.text(), canaries.name(), canaries.email(), canaries.phone(), canaries.number()]) {
    assert.notDeepEqual(search.in('a log', Buffer.from(JSON.stringify({ planted }))), [], planted);
    assert.notDeepEqual(search.in('a log', Buffer.from(encodeURIComponent(planted.replace('+1 ', '').replaceAll(' ', '')))), [], planted);
  }
  assert.deepEqual(search.in('a log', Buffer.from('{"message":"a visit was booked","visit":"0199-7731-904"}')), []);
});

describe('what is planted through every flow stands nowhere in clear', { timeout: 600_000 }, () => {
  const search = new canaries.Search();
  const found = [];
  let server, cast, temporary;

  after(() => server?.stop());

  test('a server is up that tells all it can, with the demonstration’s people', async () => {
    server = await Server.start({ prepare: async (data) => {
      temporary = `${data}-tmp`;
      await mkdir(temporary, { mode: 0o777 });
      return { ...unlimited(), TMPDIR: temporary, BEDSIDE__LOG__LEVEL: 'trace', BEDSIDE__LOG__FORMAT: 'json' };
    } });
    cast = await castOf(server);
    const demo = await server.demo();
    for (const patient of demo.patients) {
      search.watch('a patient’s name', patient.name);
      search.watch('a record number', patient.mrn);
      search.watch('a birth date', patient.date_of_birth);
    }
    for (const who of ['provider', 'front_desk', 'clinic_admin', 'compliance']) {
      search.watch(`the password of ${who}`, demo[who].password);
      search.watch(`the key of ${who}’s codes`, demo[who].totp_secret);
    }
  });

  test('a visit from link to signed note, with chat and a recording that was asked for', async () => {
    await theVisit(server, cast, search);
  });

  test('every operation by everyone: good bodies, broken ones, and canaries where none belong', async () => {
    const { document, operations } = await operationsOf(server);
    const asked = await asEveryone(server, cast, document, operations, search);
    assert.ok(asked.done >= operations.length / 3, `only ${asked.done} of ${asked.sent} requests were done`);
    // A refusal may name what its own sender sent wrongly, e.g. a parameter that is not known; nothing else comes back with a refusal.
    const named = asked.echoed.filter(({ status }) => status === 400 || status === 422);
    assert.ok(named.length > 0, 'a parameter that is not known is answered with its name: the search sees answers');
    const others = [...new Set(asked.echoed.filter((one) => !named.includes(one)).map(({ line }) => line))];
    assert.deepEqual(others.slice(0, 20), [], `${others.length} refusals repeat what they have no reason to repeat`);
    console.log(`# ${asked.sent} requests over ${operations.length} operations, ${asked.done} done`);
  });

  test('metrics and the process table', async () => {
    found.push(...search.in('/metrics', (await new Client(server.base).get(`${server.base}/metrics`)).bytes));
    const postmaster = postmasterOf(server.data);
    const family = readdirSync('/proc').filter((pid) => {
      try {
        return Number(pid) === server.pid || Number(pid) === postmaster || readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ').pop().split(' ')[1] === String(postmaster);
      } catch {
        return false;
      }
    });
    assert.ok(family.length >= 3, 'the server, PostgreSQL and its workers are seen');
    for (const pid of family) {
      for (const file of ['cmdline', 'environ']) {
        try {
          found.push(...search.in(`/proc/${pid}/${file}`, readFileSync(`/proc/${pid}/${file}`)));
        } catch (error) {
          if (!['ENOENT', 'ESRCH'].includes(error.code)) throw error;
        }
      }
    }
    const running = await rows(server.data, 'SELECT query FROM pg_stat_activity');
    found.push(...search.in('statements as PostgreSQL shows them', Buffer.from(JSON.stringify(running))));
  });

  test('a dump, and the data folder with write-ahead log, while it runs and after it has ended', async () => {
    for (const [table, text] of await dump(server.data)) found.push(...search.in(`pg_dump of ${table}`, Buffer.from(text)));
    await execute(server.data, 'CHECKPOINT');
    found.push(...search.below(server.data, MEANT_TO_TELL));
    await server.terminate();
    found.push(...search.below(server.data, MEANT_TO_TELL));
    if (readdirSync(temporary).length > 0) found.push(...search.below(temporary));
  });

  test('the log', async () => {
    const log = Buffer.from(server.log);
    assert.ok(server.log.split('"request_id"').length > 500, 'requests are logged');
    found.push(...search.in('the log', log));
  });

  test('nothing was found', () => {
    assert.ok(search.size > 200);
    assert.deepEqual([...new Set(found)], []);
  });

  test('and it would have been: one that is planted in a table is found in the dump, the table’s file and the log of writes', async () => {
    await server.startAgain();
    await execute(server.data, `CREATE TABLE planted AS SELECT '${canaries.name()}' AS name`);
    await execute(server.data, 'CHECKPOINT');
    const dumped = await dump(server.data);
    assert.ok(dumped.some(([table, text]) => table === 'public.planted' && search.in(table, Buffer.from(text)).length > 0));
    const places = search.below(join(server.data, 'postgres'));
    assert.ok(places.some((place) => / in base\//.test(place)) && places.some((place) => / in pg_wal\//.test(place)), places.join('\n'));
  });
});
