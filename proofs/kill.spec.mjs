// kill -9 of the server, of PostgreSQL, or of both, at random moments under concurrent writers: nothing that was
// acknowledged is lost, nothing is half-done, and everything that was done stands in the audit log.
//
// BEDSIDE_KILLS sets how often (6 in `make test`, `make endurance-kill` 200), BEDSIDE_SEED which moments.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { test } from 'node:test';
import { Client, expectStatus } from '../web-client/e2e/lib/http.mjs';
import { BINARY, Server, runToEnd } from '../web-client/e2e/lib/server.mjs';
import { until } from '../web-client/e2e/lib/until.mjs';
import { execute, postmasterOf, rows } from './lib/database.mjs';
import { unlimited } from './lib/limits.mjs';
import { seeded } from './lib/random.mjs';
import { openAll } from './lib/sealed.mjs';
import { unlogged, whatIsBroken } from './lib/whole.mjs';
import { BreaksGlass, ChartWriter, Registrar, Sender } from './lib/record-writers.mjs';
import { Booker, Chatter, Lost, NoteWriter, PatientAtTheDoor, SignsInAndOut } from './lib/writers.mjs';

const KILLS = Number(process.env.BEDSIDE_KILLS ?? 6);
const SEED = Number(process.env.BEDSIDE_SEED ?? Date.now() % 1_000_000);
/** Writes that are acknowledged before a kill: up to this many, at random. */
const WRITES = 60;
/** And then so many milliseconds more, at random, so that a kill does not always follow an answer. */
const AFTER_MS = 30;
/** After every so many kills all that is sealed is opened, and the whole audit log is recomputed. */
const OPEN_EVERY = 10;

/** In every so many rounds all keys are renewed while everybody writes. */
const RENEW_EVERY = 3;
/** How long a start may go on before it is killed; it takes about that long. */
const STARTING_MS = 1_000;
/** How long one who was not answered waits before the next try. */
const LOST_MS = 20;

/** How each dies; what is given back is done when the writers have stopped. */
const VICTIMS = {
  server: (server) => server.kill(),
  postgres: async (server) => {
    process.kill(postmasterOf(server.data), 'SIGKILL');
    await until(async () => (await fetch(`${server.base}/readyz`)).status === 503, { what: 'the server notices that its database is gone' });
    await server.kill();
  },
  both: async (server) => {
    process.kill(postmasterOf(server.data), 'SIGKILL');
    await server.kill();
  },
  // Once more while it starts: recovery, migrations and the demonstration are interrupted too.
  'the server, and again while it starts': async (server, random) => {
    await server.kill();
    return async () => {
      const starting = server.startAgain().catch(() => {});
      await new Promise((resolve) => setTimeout(resolve, random() * STARTING_MS));
      await server.kill();
      await starting;
    };
  },
};

async function writersOf(server) {
  const demo = await server.demo();
  const provider = await new Client(server.base).signIn(demo.provider);
  const desk = await new Client(server.base).signIn(demo.front_desk);
  const patient = await new Client(server.base).checkIn(demo.visits[0]);
  const text = expectStatus(await patient.get('/texts/telehealth_consent?lang=en'), 200).body.version;
  // The nurse cares for nobody, and so has to ask for access in an emergency.
  await execute(server.data, `UPDATE staff SET role = 'nurse' WHERE email = '${demo.clinic_admin.email}'`);
  const registrar = new Registrar(server, desk);
  const own = demo.patients[0].patient_id;
  const [{ staff_id: id }] = await rows(server.data, `SELECT staff_id FROM staff WHERE role = 'provider'`);
  return [
    ...demo.visits.map(({ visit_id: visit }) => new NoteWriter(server, provider, visit)),
    new Booker(server, desk, { patients: demo.patients.map(({ patient_id }) => patient_id), provider: id }),
    new PatientAtTheDoor(server, patient, demo.visits[0].visit_id, text),
    new Chatter(server, provider, demo.visits[1].visit_id),
    new SignsInAndOut(server, demo.compliance),
    new ChartWriter(server, provider, own),
    new Sender(server, provider, own),
    registrar,
    new BreaksGlass(server, demo.clinic_admin, registrar),
  ];
}

/** Keys are renewed beside the server, and whoever does it is killed too: the next one goes on where it was. */
function renewKeys(server) {
  const child = spawn(BINARY, ['keys', 'rotate', '--data-keys', '--data', server.data], { stdio: 'ignore' });
  const ended = once(child, 'close');
  return async () => {
    child.kill('SIGKILL');
    await ended;
  };
}

/** What an operator's command says is wrong. */
async function complaints(server, ...command) {
  const { code, stdout, stderr } = await runToEnd([...command, '--data', server.data]);
  return code === 0 ? [] : [`${command.join(' ')}: ${stdout}${stderr}`];
}

/** All write at once until the victim is dead; resolves when each has noticed. */
async function writeUntilKilled(server, writers, kill, random) {
  const before = count(writers);
  const wanted = 1 + Math.floor(random() * WRITES);
  let over = false;
  const working = Promise.all(
    writers.map(async (writer) => {
      while (!over) {
        await writer.turn().catch((error) => {
          if (!(error instanceof Lost)) throw error;
          return new Promise((resolve) => setTimeout(resolve, LOST_MS));
        });
      }
    }),
  );
  // Whoever fails ends the wait; its error is thrown below.
  let failed = false;
  working.catch(() => (failed = true));
  await until(() => failed || count(writers) - before >= wanted, { what: `${wanted} writes are acknowledged`, within: 120_000, every: 1 });
  await new Promise((resolve) => setTimeout(resolve, random() * AFTER_MS));
  const then = await kill(server, random);
  over = true;
  await working;
  await then?.();
}

const count = (writers) => writers.reduce((sum, writer) => sum + writer.acknowledged, 0);

test(`killed ${KILLS} times under load, it loses nothing that it acknowledged`, { timeout: KILLS * 60_000 + 120_000 }, async () => {
  const random = seeded(SEED);
  const begun = performance.now();
  const server = await Server.start({ env: unlimited() });
  const times = {};
  let sealed;
  try {
    const writers = await writersOf(server);
    for (let round = 1; round <= KILLS; round++) {
      // The first ones in turn, so that a short run has them all.
      const names = Object.keys(VICTIMS);
      const name = round <= names.length ? names[round - 1] : names[Math.floor(random() * names.length)];
      const at = `seed ${SEED}, kill ${round} (${name})`;
      const stopRenewing = round % RENEW_EVERY === 0 ? renewKeys(server) : undefined;
      await writeUntilKilled(server, writers, VICTIMS[name], random);
      await stopRenewing?.();
      await server.startAgain();
      times[name] = (times[name] ?? 0) + 1;
      const wrong = await whatIsBroken(server.data);
      for (const writer of writers) {
        wrong.push(...(await writer.check()), ...(await unlogged(server.data, writer.requests.splice(0))));
      }
      if (round % OPEN_EVERY === 0 || round === KILLS) {
        sealed = await openAll(server.data);
        wrong.push(...sealed.wrong);
        wrong.push(...(await complaints(server, 'audit', 'verify')), ...(await complaints(server, 'keys', 'verify')));
      }
      assert.deepEqual(wrong, [], at);
      if (round % 20 === 0) console.log(`# ${round} kills, ${count(writers)} acknowledged writes, ${Math.round((performance.now() - begun) / 1000)} s`);
    }
    // A renewal that was killed again and again comes to its end.
    assert.deepEqual([...(await complaints(server, 'keys', 'rotate', '--data-keys')), ...(await complaints(server, 'keys', 'status'))], []);
    sealed = await openAll(server.data);
    assert.deepEqual(sealed.wrong, []);
    const each = writers.map((writer) => `${writer.constructor.name} ${writer.acknowledged}`).join(', ');
    console.log(`# seed ${SEED}: ${JSON.stringify(times)}; ${count(writers)} acknowledged writes (${each}); ${Math.round((performance.now() - begun) / 1000)} s`);
    console.log(`# opened: ${JSON.stringify(sealed.opened)}`);
    for (const column of ['patient.name', 'note_revision.body', 'visit_event.chat_text', 'visit_location.region', 'appointment.reason', 'idempotency_key.response', 'chart_revision.body', 'emergency_access.reason']) {
      assert.ok(sealed.opened[column] > 0, `nothing of ${column} was opened`);
    }
    // And it would be seen: one flipped bit does not open.
    await execute(server.data, `UPDATE patient SET name = set_byte(name, 20, get_byte(name, 20) # 1) WHERE patient_id = (SELECT min(patient_id::text)::uuid FROM patient)`);
    assert.equal((await openAll(server.data)).wrong.length, 1);
    for (const writer of writers) assert.ok(writer.acknowledged > 0, `${writer.constructor.name} wrote nothing`);
  } finally {
    await server.stop();
  }
});
