// What an operator can get wrong: one clear line, an exit status that means it, nothing damaged.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdir, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { promisify } from 'node:util';
import { Server, dataFolder, freeTcpPort, freeUdpPorts, runToEnd, stopDatabaseOf } from './lib/server.mjs';

const run = promisify(execFile);
const ROOT = process.getuid() === 0;

/** `serve` over a folder of its own, expected to refuse. */
async function refused({ data, http, args = [], env = {} }) {
  const port = http ?? (await freeTcpPort());
  const media = await freeUdpPorts(8);
  const all = ['serve', '--demo', '--data', data, '--http', `127.0.0.1:${port}`, '--media', `127.0.0.1:${media}`, ...args];
  const end = await runToEnd(all, { env });
  assert.equal(end.signal, null, `it ends by itself; it said: ${end.stdout}${end.stderr}`);
  assert.notEqual(end.code, 0, 'it says that it failed');
  return { ...end, lines: end.stderr.trim().split('\n').filter(Boolean) };
}

function assertOneLine({ lines }, ...parts) {
  assert.equal(lines.length, 1, `one line, not:\n${lines.join('\n')}`);
  for (const part of parts) assert.match(lines[0], part);
  assert.doesNotMatch(lines[0], /panicked|stack backtrace|Error \{/);
}

describe('what an operator can get wrong', { timeout: 240_000 }, () => {
  const folders = [];
  const folder = async () => {
    const dir = await dataFolder();
    folders.push(dir);
    return dir;
  };

  after(async () => {
    for (const dir of folders) {
      await stopDatabaseOf(dir);
      await rm(dir, { recursive: true, force: true });
    }
  });

  test('an unknown key in bedside.toml is named, before anything is created', async () => {
    const data = await folder();
    await writeFile(join(data, 'bedside.toml'), '[http]\nadress = "127.0.0.1:1"\n');
    assertOneLine(await refused({ data, args: ['--config', join(data, 'bedside.toml')] }), /adress/, /address|allowed|expected/);
    assert.deepEqual(await readdir(data), ['bedside.toml']);
  });

  test('a bad value names its key and what is allowed', async () => {
    const data = await folder();
    assertOneLine(await refused({ data, env: { BEDSIDE__MEDIA__WORKERS: 'many' } }), /media\.workers|MEDIA__WORKERS/i, /number|integer|1/);
    assert.deepEqual(await readdir(data), []);
  });

  test('an unknown key in the environment is named', async () => {
    assertOneLine(await refused({ data: await folder(), env: { BEDSIDE__HTTP__ADRESS: '127.0.0.1:1' } }), /adress/i);
  });

  test('a taken port is named', async () => {
    const port = await freeTcpPort();
    const holder = createServer().listen(port, '127.0.0.1');
    try {
      assertOneLine(await refused({ data: await folder(), http: port }), new RegExp(`127\\.0\\.0\\.1:${port}`), /in use|taken/);
    } finally {
      holder.close();
    }
  });

  test('a missing PostgreSQL is named, with what to install', async () => {
    assertOneLine(await refused({ data: await folder(), env: { PATH: '/nonexistent', BEDSIDE_POSTGRES_BIN: '/nonexistent' } }), /PostgreSQL/, /install|database\.url/);
  });

  test('a full disk is named, and what was there is whole', { skip: !ROOT && 'only root can make a small file system' }, async () => {
    const data = await folder();
    await run('mount', ['-t', 'tmpfs', '-o', 'size=8m,mode=755', 'tmpfs', data]);
    try {
      await writeFile(join(data, 'kept.txt'), 'mine');
      assertOneLine(await refused({ data }), /space|full/i);
      assert.equal(await readFile(join(data, 'kept.txt'), 'utf8'), 'mine');
    } finally {
      await stopDatabaseOf(data);
      await run('umount', [data]);
    }
  });

  test('a data folder of another version is refused and left as it is', async () => {
    const server = await Server.start();
    try {
      await server.terminate();
      const before = await readFile(join(server.data, 'VERSION'), 'utf8');
      await writeFile(join(server.data, 'VERSION'), '999\n');
      assertOneLine(await refused({ data: server.data }), /version/i, /999/);
      assert.equal(await readFile(join(server.data, 'VERSION'), 'utf8'), '999\n');
      await writeFile(join(server.data, 'VERSION'), before);
      await server.startAgain();
      assert.equal((await server.demo()).visits.length >= 3, true, 'it starts again as if nothing had happened');
    } finally {
      await server.stop();
    }
  });

  test('two servers over one data folder: the second is refused, the first goes on', async () => {
    const server = await Server.start();
    try {
      assertOneLine(await refused({ data: server.data }), /already|in use|running/i);
      assert.equal((await fetch(`${server.base}/readyz`)).status, 200);
    } finally {
      await server.stop();
    }
  });

  test('a data folder that is a file is named', async () => {
    const dir = await folder();
    const file = join(dir, 'data');
    await writeFile(file, '');
    assertOneLine(await refused({ data: file }), /data/);
  });

  test('SIGTERM ends it with status 0 and leaves no database behind', async () => {
    const server = await Server.start();
    try {
      assert.deepEqual(await server.terminate(), { code: 0, signal: null });
      await mkdir(server.data, { recursive: true });
      const left = (await readdir(server.data, { recursive: true })).filter((name) => name.endsWith('postmaster.pid'));
      assert.deepEqual(left, []);
    } finally {
      await server.stop();
    }
  });
});
