// Chromium as two people would have it: one browser each, fake camera (a moving picture) and microphone (beeps).

import { existsSync } from 'node:fs';
import { chromium } from 'playwright-core';
import { watchMedia } from './in-page.mjs';

const CANDIDATES = [process.env.BEDSIDE_CHROMIUM, '/usr/bin/chromium', '/usr/bin/google-chrome-stable', '/usr/bin/google-chrome'];

export const PHONE = { width: 390, height: 844 };
export const DESK = { width: 1440, height: 900 };

const FLAGS = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  '--use-fake-ui-for-media-stream',
  '--autoplay-policy=no-user-gesture-required',
  // Where only `lo` exists, WebRTC has no other address to offer.
  '--allow-loopback-in-peer-connection',
  // A page behind another window must go on decoding.
  '--disable-backgrounding-occluded-windows',
  '--disable-renderer-backgrounding',
  '--disable-background-timer-throttling',
];

/** The browser's program: BEDSIDE_CHROMIUM, the system's, or the one that Playwright installed. */
export function browserProgram() {
  const found = CANDIDATES.find((path) => path && existsSync(path)) ?? chromium.executablePath();
  if (!existsSync(found)) throw new Error('no Chromium found: run scripts/setup test, or set BEDSIDE_CHROMIUM');
  return found;
}

/**
 * A browser of one's own with one window. `connection` overrides the configuration of its peer connections
 * (`relays`: only the relays whose address contains this); `flags` are Chromium's; `cameras` is how many made-up ones it has.
 */
export async function openBrowser({ base, viewport, connection, flags = [], cameras = 1 }) {
  const fake = `--use-fake-device-for-media-stream=device-count=${cameras}`;
  const browser = await chromium.launch({ executablePath: browserProgram(), args: ['--headless=new', ...FLAGS, fake, ...flags], headless: true });
  const context = await browser.newContext({
    baseURL: base,
    // Tests' servers have certificates that nobody vouches for.
    ignoreHTTPSErrors: base.startsWith('https:'),
    viewport,
    locale: 'en-US',
    timezoneId: 'America/Chicago',
    permissions: ['camera', 'microphone'],
    hasTouch: viewport.width < 600,
    isMobile: viewport.width < 600,
  });
  await context.grantPermissions(['camera', 'microphone'], { origin: base });
  if (connection) await context.addInitScript((wanted) => (window.__bedsideConnection = wanted), connection);
  await context.addInitScript(watchMedia);
  context.setDefaultTimeout(20_000);
  const page = await context.newPage();
  const log = [];
  page.on('console', (message) => log.push(`[${message.type()}] ${message.text()}`));
  page.on('pageerror', (error) => log.push(`[uncaught] ${error.message}`));
  return { browser, context, page, log };
}
