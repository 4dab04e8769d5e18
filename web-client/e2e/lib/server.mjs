// A real `bedside serve --demo` in a folder of its own: started, killed, started again, and gone when the test is.
// What lives here: the process, its ports, its data folder, its demo accounts. Not here: people and browsers.

import { execFile, spawn } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { readFileSync, readdirSync, rmSync } from 'node:fs';
import { chmod, mkdtemp, readFile, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { until } from './until.mjs';

/** The binary under test; `scripts/e2e` sets it. */
export const BINARY = process.env.BEDSIDE_BIN ?? 'target/release/bedside';

// First start: initdb, migrations, seeding, on two cores that other tests may share.
const START_MS = 60_000;
const STOP_MS = 20_000;

const running = new Set();
const folders = new Set();

// Nothing outlives the test run, however it ends.
process.on('exit', () => {
  for (const child of running) child.kill('SIGKILL');
  for (const folder of folders) {
    for (const pid of databasesOf(folder)) process.kill(pid, 'SIGQUIT');
    if (!process.env.BEDSIDE_E2E_KEEP) rmSync(folder, { recursive: true, force: true });
  }
});
for (const signal of ['SIGINT', 'SIGTERM']) {
  process.on(signal, () => process.exit(130));
}

/** A TCP port on loopback that was free a moment ago. */
export function freeTcpPort() {
  return new Promise((resolve, reject) => {
    const probe = createServer();
    probe.once('error', reject);
    probe.listen(0, '127.0.0.1', () => {
      const { port } = probe.address();
      probe.close(() => resolve(port));
    });
  });
}

/** The first of `count` ports in a row on loopback, free by UDP and TCP (media worker n uses port + n). */
export async function freeMediaPorts(count) {
  const byUdp = (port) =>
    new Promise((resolve) => {
      const socket = createSocket('udp4');
      socket.once('error', () => resolve(undefined));
      socket.bind(port, '127.0.0.1', () => resolve(socket));
    });
  const byTcp = (port) =>
    new Promise((resolve) => {
      const socket = createServer();
      socket.once('error', () => resolve(undefined));
      socket.listen(port, '127.0.0.1', () => resolve(socket));
    });
  for (;;) {
    const first = await byUdp(0);
    const { port } = first.address();
    const ports = Array.from({ length: count }, (_, n) => port + n).filter((one) => one < 65_536);
    const others = await Promise.all([...ports.slice(1).map(byUdp), ...ports.map(byTcp)]);
    for (const socket of [first, ...others]) socket?.close();
    if (ports.length === count && others.every(Boolean)) return port;
  }
}

/** A certificate for `localhost` and 127.0.0.1 that nobody vouches for, as PEM files in `folder`. */
export function selfSigned(folder) {
  const [certificate, key] = [join(folder, 'certificate.pem'), join(folder, 'key.pem')];
  const names = 'subjectAltName=DNS:localhost,IP:127.0.0.1';
  const args = ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '30', '-subj', '/CN=localhost', '-addext', names];
  return new Promise((resolve, reject) => {
    execFile('openssl', [...args, '-keyout', key, '-out', certificate], (error) => (error ? reject(error) : resolve({ certificate, key })));
  });
}

/** A folder for one server. The database runs as another user when we are root, so others may pass through. */
export async function dataFolder() {
  const dir = await mkdtemp(join(tmpdir(), 'bedside-e2e-'));
  await chmod(dir, 0o755);
  folders.add(dir);
  return dir;
}

/**
 * Runs the binary to its end; `through` is a command that it is run by.
 * @returns {Promise<{code: number|null, signal: string|null, stdout: string, stderr: string, ms: number}>}
 */
export function runToEnd(args, { env = {}, through = [], timeoutMs = START_MS } = {}) {
  return new Promise((resolve, reject) => {
    const begun = performance.now();
    const [program, ...rest] = [...through, BINARY, ...args];
    const child = spawn(program, rest, { env: { ...process.env, ...env }, stdio: ['ignore', 'pipe', 'pipe'] });
    running.add(child);
    const said = { stdout: '', stderr: '' };
    child.stdout.on('data', (text) => (said.stdout += text));
    child.stderr.on('data', (text) => (said.stderr += text));
    const deadline = setTimeout(() => child.kill('SIGKILL'), timeoutMs);
    child.once('error', reject);
    child.once('close', (code, signal) => {
      clearTimeout(deadline);
      running.delete(child);
      resolve({ code, signal, ...said, ms: performance.now() - begun });
    });
  });
}

/** One server over one data folder; its addresses stay the same over restarts. */
export class Server {
  #child;
  #output = '';
  #log = '';
  #ended;
  #broken;

  /**
   * `prepare` is given the data folder and the server's ports, and gives more environment. `tls`: the server has a certificate, as a test makes one.
   * `turn`: its relay listens by UDP and TCP.
   * @param {{data?: string, env?: Record<string, string>, args?: string[], tls?: {certificate: string, key: string}, turn?: boolean, prepare?: (data: string) => Promise<Record<string, string>>}} [options]
   */
  static async start(options = {}) {
    const server = new Server();
    server.data = options.data ?? (await dataFolder());
    server.ownsData = !options.data;
    server.args = options.args ?? [];
    server.port = await freeTcpPort();
    server.mediaPort = await freeMediaPorts(9);
    server.turnPort = server.mediaPort + 8;
    server.env = { ...options.env, ...(await options.prepare?.(server.data, server)) };
    if (options.turn) server.env.BEDSIDE__TURN__LISTEN = `127.0.0.1:${server.turnPort}`;
    server.base = `http://127.0.0.1:${server.port}`;
    if (options.tls) {
      server.base = `https://localhost:${server.port}`;
      Object.assign(server.env, { BEDSIDE__HTTP__TLS_CERTIFICATE: options.tls.certificate, BEDSIDE__HTTP__TLS_KEY: options.tls.key, BEDSIDE__HTTP__PUBLIC_URL: server.base });
      // Nobody vouches for the certificate; in this process only tests speak to it.
      process.env.NODE_TLS_REJECT_UNAUTHORIZED = '0';
    }
    try {
      await server.startAgain();
    } catch (error) {
      await server.stop();
      throw error;
    }
    return server;
  }

  /** Starts the process over the same data and ports; resolves when `/readyz` says yes. Milliseconds it took. */
  async startAgain() {
    const begun = performance.now();
    this.#output = '';
    const args = ['serve', '--demo', '--data', this.data, '--http', `127.0.0.1:${this.port}`, '--media', `127.0.0.1:${this.mediaPort}`, ...this.args];
    const child = spawn(BINARY, args, { env: { ...process.env, ...this.env }, stdio: ['ignore', 'pipe', 'pipe'] });
    running.add(child);
    this.#child = child;
    child.stdout.on('data', (text) => (this.#output += text));
    child.stderr.on('data', (text) => {
      this.#output += text;
      this.#log += text;
    });
    this.#ended = new Promise((resolve) => {
      child.once('error', (error) => {
        running.delete(child);
        this.#output += error.message;
        this.#broken = error;
        resolve({ code: null, signal: null });
      });
      child.once('close', (code, signal) => {
        running.delete(child);
        resolve({ code, signal });
      });
    });
    await until(
      async () => {
        if (this.#broken) throw this.#broken;
        if (child.exitCode !== null || child.signalCode !== null) throw new Error(`the server ended with ${child.exitCode ?? child.signalCode}:\n${this.output}`);
        return (await fetch(`${this.base}/readyz`).catch(() => undefined))?.ok;
      },
      { what: () => `the server is ready; it said:\n${this.output}`, within: START_MS, every: 5 },
    );
    this.readyMs = performance.now() - begun;
    return this.readyMs;
  }

  /** What the process wrote so far. */
  get output() {
    return this.#output.slice(-8_000);
  }

  /** All that it has logged since the first start. */
  get log() {
    return this.#log;
  }

  get pid() {
    return this.#child.pid;
  }

  /** Accounts, patients, visits: `demo.json` of the data folder. */
  async demo() {
    return JSON.parse(await readFile(join(this.data, 'demo.json'), 'utf8'));
  }

  /** The value of one counter of `/metrics`, summed over its labels; 0 if it was never touched. */
  async metric(name) {
    const text = await (await fetch(`${this.base}/metrics`)).text();
    return text
      .split('\n')
      .filter((line) => line.startsWith(`${name} `) || line.startsWith(`${name}{`))
      .reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(' ') + 1)), 0);
  }

  /** Power cut: no chance to tidy up. */
  async kill() {
    this.#child.kill('SIGKILL');
    await this.#ended;
  }

  /** SIGTERM, and how it ended. */
  async terminate() {
    this.#child.kill('SIGTERM');
    return this.#ended;
  }

  /** Ends the process and its database, and removes the data folder. */
  async stop() {
    if (this.#child?.pid && this.#child.exitCode === null && this.#child.signalCode === null) {
      this.#child.kill('SIGTERM');
      const late = setTimeout(() => this.#child.kill('SIGKILL'), STOP_MS);
      await this.#ended;
      clearTimeout(late);
    }
    await stopDatabaseOf(this.data);
    if (this.ownsData && !process.env.BEDSIDE_E2E_KEEP) await rm(this.data, { recursive: true, force: true });
  }
}

/** Ends a PostgreSQL that a killed server left in `data`. */
export async function stopDatabaseOf(data) {
  for (const pid of databasesOf(data)) {
    process.kill(pid, 'SIGQUIT');
    await until(() => !isPostgres(pid), { what: `PostgreSQL ${pid} is gone`, within: STOP_MS });
  }
}

/** The process ids of PostgreSQL servers that run over a folder below `data`. */
function databasesOf(data) {
  const read = (file) => {
    try {
      return readFileSync(file, 'utf8');
    } catch {
      return '';
    }
  };
  let files = [];
  try {
    files = readdirSync(data, { recursive: true });
  } catch {
    // Gone already.
  }
  return files
    .filter((name) => name.endsWith('postmaster.pid'))
    .map((name) => Number(read(join(data, name)).split('\n')[0]))
    .filter((pid) => pid > 0 && isPostgres(pid));
}

function isPostgres(pid) {
  try {
    return readFileSync(`/proc/${pid}/comm`, 'utf8').startsWith('postgres');
  } catch {
    return false;
  }
}
