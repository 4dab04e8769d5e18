// What can be seen and heard: in a page, and in a recorded file.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { mediaCounters, mediaPaths, thumbnail } from './in-page.mjs';
import { until } from './until.mjs';

const run = promisify(execFile);

/** Grey levels that a picture must change by (mean over its pixels) to count as moving: noise stays below 1. */
const MOVED = 2;

export const counters = (page) => page.evaluate(mediaCounters);

/** What carries the media of this page: one entry for each peer connection. */
export const paths = (page) => page.evaluate(mediaPaths);

/** The <video> of a participant, found as a screen reader finds it. */
export const videoOf = (page, name) => page.locator(`video[aria-label="${name}"]`);

const difference = (one, other) => one.reduce((sum, level, n) => sum + Math.abs(level - other[n]), 0) / one.length;

/** Resolves when the picture of `name` changes on this page. */
export async function seesMoving(page, name, { within = 20_000 } = {}) {
  const video = videoOf(page, name).first();
  let first;
  await until(
    async () => {
      const picture = await video.evaluate(thumbnail, undefined, { timeout: within }).catch(() => null);
      if (!picture) return false;
      first ??= picture;
      return difference(first, picture) > MOVED;
    },
    { what: `the picture of ${name} moves`, within, every: 100 },
  );
}

/** Resolves when sound keeps arriving and is not silence. */
export async function hears(page, { within = 20_000 } = {}) {
  const { audioEnergy } = await counters(page);
  await until(async () => (await counters(page)).audioEnergy > audioEnergy, { what: 'sound is heard', within, every: 100 });
}

/** Resolves when sound that is not silence keeps arriving on so many voices at the same time. */
export async function hearsVoices(page, count, { within = 20_000 } = {}) {
  const before = (await counters(page)).voices;
  const heard = async () => Object.entries((await counters(page)).voices).filter(([id, energy]) => energy > (before[id] ?? 0)).length;
  await until(async () => (await heard()) >= count, { what: `${count} voices are heard`, within, every: 100 });
}

/** ffprobe's view of a file: `{duration, video, audio}`. */
export async function probe(file) {
  const { stdout } = await run('ffprobe', ['-v', 'error', '-print_format', 'json', '-show_format', '-show_streams', file]);
  const { format, streams } = JSON.parse(stdout);
  return {
    duration: Number(format.duration),
    video: streams.find((stream) => stream.codec_type === 'video'),
    audio: streams.find((stream) => stream.codec_type === 'audio'),
  };
}

/** Seconds that decoding the whole file really yields (headers can promise more than there is). */
export async function decodedSeconds(file) {
  const { stderr } = await run('ffmpeg', ['-hide_banner', '-nostdin', '-i', file, '-map', '0:v:0', '-f', 'null', '-'], { maxBuffer: 1 << 24 });
  const times = [...stderr.matchAll(/time=(\d+):(\d+):([\d.]+)/g)].pop();
  return times ? Number(times[1]) * 3600 + Number(times[2]) * 60 + Number(times[3]) : 0;
}

/** Longest difference between a recording and what happened, seconds. */
const TRUE_WITHIN_S = 1;

/** Fails unless `seconds` is within a second of the truth, which is known as a span of milliseconds. */
export function isTrueLength(seconds, { atLeast, atMost }) {
  assert.ok(
    seconds >= atLeast / 1000 - TRUE_WITHIN_S && seconds <= atMost / 1000 + TRUE_WITHIN_S,
    `it lasts ${seconds} s, the truth lies between ${atLeast / 1000} and ${atMost / 1000} s`,
  );
}

/**
 * Green level that a half with somebody's picture exceeds: the browser's fake camera shows green (about 115 with the
 * tile's borders), an empty tile is the composer's dark background (36).
 */
export const SHOWN = 70;

/** Mean and spread of the green levels of both halves of the picture at `second`. */
export async function halves(file, second) {
  const half = async (x) => {
    const { stdout } = await run(
      'ffmpeg',
      ['-v', 'error', '-nostdin', '-ss', String(second), '-i', file, '-frames:v', '1', '-vf', `crop=iw/2:ih:${x}:0,scale=64:48,format=gbrp,extractplanes=g`, '-f', 'rawvideo', '-'],
      { encoding: 'buffer' },
    );
    if (stdout.length !== 64 * 48) throw new Error(`no picture at ${second} s`);
    const mean = stdout.reduce((sum, level) => sum + level, 0) / stdout.length;
    const spread = Math.sqrt(stdout.reduce((sum, level) => sum + (level - mean) ** 2, 0) / stdout.length);
    return { mean, spread };
  };
  return { left: await half('0'), right: await half('iw/2') };
}

/** Loudest level of the voices, dBFS. Digital silence is about -91. */
export async function loudness(file) {
  const { stderr } = await run('ffmpeg', ['-hide_banner', '-nostdin', '-i', file, '-map', '0:a:0', '-af', 'volumedetect', '-f', 'null', '-'], { maxBuffer: 1 << 24 });
  return Number(/max_volume: (-?[\d.]+) dB/.exec(stderr)?.[1] ?? -Infinity);
}
