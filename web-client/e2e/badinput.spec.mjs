// What an operator can get wrong: one clear line, an exit status that means it, nothing damaged.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { createSocket } from 'node:dgram';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { promisify } from 'node:util';
import { Server, dataFolder, freeTcpPort, freeMediaPorts, runToEnd, stopDatabaseOf } from './lib/server.mjs';

const run = promisify(execFile);
const ROOT = process.getuid() === 0;

/** `serve` over a folder of its own, expected to refuse. */
async function refused({ data, http, media, args = [], env = {}, through = [] }) {
  const port = http ?? (await freeTcpPort());
  const udp = media ?? (await freeMediaPorts(8));
  const all = ['serve', '--demo', '--data', data, '--http', `127.0.0.1:${port}`, '--media', `127.0.0.1:${udp}`, ...args];
  const end = await runToEnd(all, { env, through });
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

  test('an unknown key in bedside.toml is named with the allowed ones, before anything is created', async () => {
    const data = await folder();
    const file = join(await folder(), 'bedside.toml');
    await writeFile(file, '[http]\nadress = "127.0.0.1:1"\n');
    assertOneLine(await refused({ data, args: ['--config', file] }), /adress/, /listen/, /public_url/);
    assert.deepEqual(await readdir(data), []);
  });

  test('a bad value names its key and what is allowed', async () => {
    const data = await folder();
    assertOneLine(await refused({ data, env: { BEDSIDE__MEDIA__WORKERS: 'many' } }), /media\.workers/i, /usize|number|integer/);
    assertOneLine(await refused({ data, env: { BEDSIDE__MEDIA__MAX_PARTICIPANTS: '1000' } }), /media\.max_participants/, /2 to 32/);
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

  test('a taken media port is named', async () => {
    const media = await freeMediaPorts(8);
    const holder = createSocket('udp4');
    await new Promise((resolve) => holder.bind(media, '127.0.0.1', resolve));
    try {
      assertOneLine(await refused({ data: await folder(), media }), new RegExp(`127\\.0\\.0\\.1:${media}`), /in use|taken/);
    } finally {
      holder.close();
    }
  });

  test('a missing PostgreSQL is named, with what to install', { skip: !ROOT && 'only root can hide installed programs' }, async () => {
    const hide = 'mount -t tmpfs tmpfs /usr/lib/postgresql && exec "$@"';
    const data = await folder();
    assertOneLine(await refused({ data, through: ['unshare', '--mount', 'sh', '-c', hide, 'sh'] }), /PostgreSQL/, /install|database\.url/);
    const server = await Server.start({ data });
    await server.stop();
  });

  for (const [what, env] of [
    ['too little space', {}],
    ['a disk that fills up on the way', { BEDSIDE__DATA__MIN_FREE_MIB: '0' }],
  ]) {
    test(`${what} is named, and what was there is whole`, { skip: !ROOT && 'only root can make a small file system' }, async () => {
      const disk = await folder();
      await run('mount', ['-t', 'tmpfs', '-o', 'size=12m,mode=755', 'tmpfs', disk]);
      try {
        await writeFile(join(disk, 'kept.txt'), 'mine');
        assertOneLine(await refused({ data: join(disk, 'data'), env }), /space|full|MiB free/i);
        assert.equal(await readFile(join(disk, 'kept.txt'), 'utf8'), 'mine');
      } finally {
        await stopDatabaseOf(disk);
        await run('umount', [disk]);
      }
    });
  }

  test('a data folder of another version is refused and left as it is', async () => {
    const server = await Server.start();
    try {
      await server.terminate();
      const format = join(server.data, 'FORMAT');
      const before = await readFile(format, 'utf8');
      await writeFile(format, '999\n');
      assertOneLine(await refused({ data: server.data }), /version/i, /999/);
      assert.equal(await readFile(format, 'utf8'), '999\n');
      await writeFile(format, before);
      await server.startAgain();
      assert.ok((await server.demo()).visits.length >= 3, 'it starts again as if nothing had happened');
    } finally {
      await server.stop();
    }
  });

  test('a folder that holds something else is refused and left as it is', async () => {
    const data = await folder();
    await writeFile(join(data, 'thesis.txt'), 'mine');
    assertOneLine(await refused({ data }), /not made by Bedside/, /--data/);
    assert.deepEqual(await readdir(data), ['thesis.txt']);
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
      const left = (await readdir(server.data, { recursive: true })).filter((name) => name.endsWith('postmaster.pid'));
      assert.deepEqual(left, []);
    } finally {
      await server.stop();
    }
  });
});
