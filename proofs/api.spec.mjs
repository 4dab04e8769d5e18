// schemathesis makes up requests from the served OpenAPI document, good ones and bad ones, as everyone who may ask: no
// answer is a fault of ours, none is undocumented, none breaks its schema.
//
// BEDSIDE_EXAMPLES sets how many are made up per operation (short in `make test`, `make attack-api` many), BEDSIDE_SEED
// which; BEDSIDE_ROLES limits it to some roles.

import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { Server } from '../web-client/e2e/lib/server.mjs';
import { castOf, operationsOf } from './lib/cast.mjs';
import { unlimited } from './lib/limits.mjs';
import { endsSession, isStream } from './lib/samples.mjs';

const EXAMPLES = Number(process.env.BEDSIDE_EXAMPLES ?? 2);
const SEED = process.env.BEDSIDE_SEED ?? '20261124';
const ROLES = process.env.BEDSIDE_ROLES?.split(',') ?? ['nobody', 'patient', 'provider', 'nurse', 'front_desk', 'clinic_admin', 'compliance', 'super_admin'];
const CHECKS = [
  'not_a_server_error',
  'status_code_conformance',
  'content_type_conformance',
  'response_headers_conformance',
  'response_schema_conformance',
  'negative_data_rejection',
  'missing_required_header',
  'unsupported_method',
];
const here = import.meta.dirname;

function schemathesis(server, { client, ids }, phases, operations) {
  const tools = execFileSync(join(here, '../scripts/test-tools'), { encoding: 'utf8' }).trim();
  const args = [
    ...['--config-file', join(here, 'lib/schemathesis.toml')],
    'run',
    `${server.base}/api/openapi.json`,
    ...['--url', server.base, '--checks', CHECKS.join(','), '--phases', phases, '--max-examples', String(EXAMPLES), '--seed', SEED],
    ...['--generation-with-security-parameters', 'false', '--generation-database', 'none', '--no-shrink', '--continue-on-failure', '--request-timeout', '30', '--suppress-health-check', 'all', '--warnings', 'off'],
    ...['-H', `Origin: ${server.base}`, ...(client.cookie ? ['-H', `Cookie: ${client.cookie}`] : [])],
    ...operations,
  ];
  const env = { ...process.env, BEDSIDE_IDS: JSON.stringify(ids), SCHEMATHESIS_HOOKS: 'made_up_requests', PYTHONPATH: join(here, 'lib'), NO_COLOR: '1' };
  const child = spawn(join(tools, 'schemathesis'), args, { env, cwd: server.data, stdio: ['ignore', 'pipe', 'pipe'] });
  let said = '';
  child.stdout.on('data', (text) => (said += text));
  child.stderr.on('data', (text) => (said += text));
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code) => resolve({ code, said }));
  });
}

describe('no made-up request gets an answer that the document does not announce', { timeout: 3_600_000 }, () => {
  let server, cast, leave;

  after(() => server?.stop());

  test('everyone is signed in', async () => {
    server = await Server.start({ env: unlimited() });
    cast = await castOf(server);
    const { operations } = await operationsOf(server);
    leave = operations.filter((one) => endsSession(one) || isStream(one)).flatMap(({ operation }) => ['--exclude-operation-id', operation.operationId]);
  });

  for (const role of ROLES) {
    test(role, async () => {
      const { code, said } = await schemathesis(server, cast[role], 'examples,coverage,fuzzing', leave);
      console.log(`# ${role}: ${said.match(/^.*generated.*$/m)?.[0].trim() ?? ''}`);
      assert.equal(code, 0, said);
    });
  }

  test('and all sessions are still good, so that what was asked was asked as these people', async () => {
    for (const role of ROLES) {
      const wanted = { nobody: 401, patient: 401 }[role] ?? 200;
      assert.equal((await cast[role].client.get('/me')).status, wanted, role);
      if (role === 'patient') assert.equal((await cast.patient.client.get('/join')).status, 200);
    }
  });
});
