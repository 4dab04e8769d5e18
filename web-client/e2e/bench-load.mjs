// Runs bedside-loadtest against a fresh demo server.
// usage: node bench-load.mjs VISITS SECONDS DIR

import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { Server } from './lib/server.mjs';

const [visits, seconds, dir] = process.argv.slice(2);
const program = join(process.env.CARGO_TARGET_DIR ?? 'target', 'release', 'bedside-loadtest');
const server = await Server.start();
try {
  const args = ['visits', '--base', server.base, '--demo', join(server.data, 'demo.json'), '-n', visits, '--seconds', seconds];
  const child = spawn(program, [...args, '--figures', join(dir, 'load.json'), '--html', join(dir, 'load.html')], { stdio: 'inherit' });
  process.exitCode = await new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code) => resolve(code ?? 1));
  });
} finally {
  await server.stop();
}
