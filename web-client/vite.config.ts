import react from '@vitejs/plugin-react';
import { defineConfig } from 'vitest/config';
import { patientBudget } from './budget.ts';

const server = process.env.BEDSIDE_SERVER ?? 'http://127.0.0.1:8080';
// The server refuses foreign origins, so the development proxy presents its own.
const through = { target: server, headers: { origin: server } };

export default defineConfig({
  plugins: [react(), patientBudget(120_000)],
  build: {
    target: 'es2022',
    // Content-Security-Policy is default-src 'self': nothing may become a data: address.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
  },
  test: { include: ['src/**/*.test.ts'] },
  server: { proxy: { '/api': through, '/signal': { ...through, ws: true } } },
});
