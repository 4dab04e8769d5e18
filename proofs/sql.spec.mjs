// sqlmap tries to get SQL through every parameter that the served OpenAPI document lists: paths, queries, members of
// bodies, headers, cookies; and finds nothing. That it can find something is shown first, on a server that is made for it.
//
// `make attack-sql`; not a part of `make test`, since it takes long. BEDSIDE_OPERATIONS limits it to some.

import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { mkdir, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { Server, freeTcpPort } from '../web-client/e2e/lib/server.mjs';
import { castOf, operationsOf } from './lib/cast.mjs';
import { rows } from './lib/database.mjs';
import { unlimited } from './lib/limits.mjs';
import { endsSession, isStream, pathOf, sample } from './lib/samples.mjs';

const ONLY = process.env.BEDSIDE_OPERATIONS?.split(',');
/** What sqlmap puts its attempts in place of. */
const HERE = '*';

/** What it says of a hole that it has made use of; and, of all of them, when it has none. */
const FOUND = /sqlmap (identified|resumed) the following injection point|parameter '.*' is vulnerable/;
const NOTHING = /all tested parameters do not appear to be injectable/;
/** What it says of one that only looked like one, e.g. since two answers took unequally long, before it tries again. */
const CANDIDATE = /parameter '(.*?)' appears to be '(.*?)' injectable/g;

/** What looked like a hole: each must be said to be none at the end, or it is one. */
function candidates(said) {
  return [...said.matchAll(CANDIDATE)].map(([, parameter, technique]) => ({
    parameter,
    technique,
    dismissed: said.includes(`parameter '${parameter}' does not seem to be injectable`),
  }));
}

/** Runs sqlmap over one request as it would stand on the wire, and says whether it found anything. */
async function attack(folder, name, request) {
  const tools = execFileSync(join(import.meta.dirname, '../scripts/test-tools'), { encoding: 'utf8' }).trim();
  const dir = join(folder, name);
  await mkdir(dir, { recursive: true });
  await writeFile(join(dir, 'request.txt'), request);
  const args = ['-r', join(dir, 'request.txt'), '--batch', '--dbms=PostgreSQL', '--level=2', '--risk=1', '--time-sec=3', '--ignore-code=*', '--flush-session', '--disable-coloring', '--output-dir', dir];
  const child = spawn(join(tools, 'sqlmap'), args, { env: { ...process.env, TERM: 'dumb' }, stdio: ['ignore', 'pipe', 'pipe'] });
  let said = '';
  child.stdout.on('data', (text) => (said += text));
  child.stderr.on('data', (text) => (said += text));
  await new Promise((resolve, reject) => child.once('error', reject).once('close', resolve));
  const looked = candidates(said);
  return { found: FOUND.test(said) || looked.some(({ dismissed }) => !dismissed), nothing: NOTHING.test(said), looked, said };
}

/**
 * The request with a mark on everything that somebody could change. A cursor goes alone: one that the list has not given
 * out is refused before anything else is looked at.
 */
function marked(server, document, one, { client, ids }, cursor) {
  const { method, path, operation } = one;
  const query = (operation.parameters ?? []).filter((parameter) => parameter.in === 'query' && (parameter.name === 'cursor' ? cursor : !cursor || parameter.required));
  const at = `${pathOf(one, ids)}${path.includes('{') ? HERE : ''}`;
  const filled = query.map(({ name, schema }) => `${name}=${encodeURIComponent(String(sample(document, schema, ids, name)))}${HERE}`).join('&');
  const schema = operation.requestBody?.content?.['application/json']?.schema;
  const body = schema && markedBody(cursor && pages(document, schema) ? { cursor: 'x' } : sample(document, schema, ids));
  const headers = (operation.parameters ?? []).filter((parameter) => parameter.in === 'header').map(({ name }) => `${name}: ${name === 'If-Match' ? '"0"' : 'x'}${HERE}`);
  return [
    `${method} ${at.startsWith('/api') ? at : `/api/v1${at}`}${filled ? `?${filled}` : ''} HTTP/1.1`,
    `Host: 127.0.0.1:${server.port}`,
    `Origin: ${server.base}`,
    ...(client.cookie ? [`Cookie: ${client.cookie}${HERE}`] : []),
    `User-Agent: Mozilla/5.0${HERE}`,
    ...headers,
    ...(body ? ['Content-Type: application/json', '', body] : ['', '']),
  ].join('\r\n');
}

/** Whether a body asks for a page of a list. */
function pages(document, schema) {
  return Boolean(schema?.$ref && document.components.schemas[schema.$ref.split('/').pop()].properties?.cursor);
}

/** Every text and number of the body with a mark. */
function markedBody(value) {
  const mark = (part) => {
    if (Array.isArray(part)) return part.map(mark);
    if (part && typeof part === 'object') return Object.fromEntries(Object.entries(part).map(([name, of]) => [name, mark(of)]));
    return typeof part === 'string' ? `${part}${HERE}` : part;
  };
  return JSON.stringify(mark(value));
}

describe('SQL does not get in', { timeout: 4 * 3_600_000 }, () => {
  let server, cast, document, operations, victim;

  before(async () => {
    server = await Server.start({ env: unlimited() });
    cast = await castOf(server);
    ({ document, operations } = await operationsOf(server));
  });
  after(async () => {
    victim?.close();
    await server?.stop();
  });

  test('a server that pastes what it is sent into SQL is found out', async () => {
    const port = await freeTcpPort();
    victim = createServer(async (request, response) => {
      const name = new URL(request.url, 'http://x').searchParams.get('name') ?? '';
      const answer = await rows(server.data, `SELECT name FROM staff WHERE name = '${name}'`).catch((error) => error.message);
      response.setHeader('content-type', 'application/json');
      response.end(JSON.stringify(answer));
    }).listen(port, '127.0.0.1');
    const { found, said } = await attack(server.data, 'victim', `GET /search?name=Maya${HERE} HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\n\r\n`);
    assert.ok(found, said.slice(-3_000));
  });

  test('what sqlmap takes back is no finding, and what it does not take back is one', () => {
    const looks = "[INFO] (custom) POST parameter 'JSON #1*' appears to be 'PostgreSQL > 8.1 stacked queries (comment)' injectable";
    const not = "[WARNING] (custom) POST parameter 'JSON #1*' does not seem to be injectable";
    const other = "[WARNING] (custom) POST parameter 'JSON #2*' does not seem to be injectable";
    const technique = 'PostgreSQL > 8.1 stacked queries (comment)';
    assert.deepEqual(candidates(`${looks}\n${not}`), [{ parameter: 'JSON #1*', technique, dismissed: true }]);
    assert.deepEqual(candidates(`${looks}\n${other}`), [{ parameter: 'JSON #1*', technique, dismissed: false }]);
    assert.deepEqual(candidates(not), []);
  });

  test('every parameter of every operation', async (context) => {
    const wanted = operations.filter((one) => !isStream(one) && !endsSession(one) && (!ONLY || ONLY.includes(one.operation.operationId)));
    for (const one of wanted) {
      const id = one.operation.operationId;
      await context.test(id, async () => {
        const role = await whoMay(one);
        const schema = one.operation.requestBody?.content?.['application/json']?.schema;
        const inPages = (one.operation.parameters ?? []).some(({ name }) => name === 'cursor') || pages(document, schema);
        for (const cursor of inPages ? [false, true] : [false]) {
          const { found, nothing, looked, said } = await attack(server.data, `${id}${cursor ? '-cursor' : ''}`, marked(server, document, one, cast[role], cursor));
          for (const { parameter, technique } of looked) console.log(`# ${id}: ${parameter} looked like '${technique}', and sqlmap found out that it is not`);
          assert.doesNotMatch(said, /^429 /m, 'what is asked too often is not looked at');
          assert.ok(!found && nothing, `${id} as ${role}:\n${said.slice(-4_000)}`);
        }
      });
    }
  });

  /** The first who is not turned away at the door, so that the parameters are looked at. */
  async function whoMay(one) {
    const { method, operation } = one;
    for (const role of ['provider', 'front_desk', 'clinic_admin', 'compliance', 'patient', 'super_admin']) {
      const { client, ids } = cast[role];
      const schema = operation.requestBody?.content?.['application/json']?.schema;
      const query = (operation.parameters ?? []).filter((parameter) => parameter.in === 'query' && parameter.required);
      const filled = new URLSearchParams(query.map(({ name, schema }) => [name, String(sample(document, schema, ids, name))]));
      const { status } = await client.send(method, `${pathOf(one, ids)}?${filled}`, { body: schema && sample(document, schema, ids), headers: { 'if-match': '"0"', 'idempotency-key': `who-${role}` } });
      if (![401, 403, 404].includes(status)) return role;
    }
    return 'provider';
  }
});
