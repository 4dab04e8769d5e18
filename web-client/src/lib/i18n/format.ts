// Times, durations and sizes in the reader's language and zone; the zone is always named where it could be mistaken.

import type { Lang } from './text';

const TAG: Record<Lang, string> = { en: 'en-US', es: 'es-US' };

export type Instant = string | number | Date;

function part(lang: Lang, at: Instant, options: Intl.DateTimeFormatOptions): string {
  return new Intl.DateTimeFormat(TAG[lang], options).format(new Date(at));
}

/** 2:30 PM */
export function clock(lang: Lang, at: Instant, timeZone?: string): string {
  return part(lang, at, { hour: 'numeric', minute: '2-digit', timeZone });
}

/** 2:30:05 PM */
export function clockWithSeconds(lang: Lang, at: Instant): string {
  return part(lang, at, { hour: 'numeric', minute: '2-digit', second: '2-digit' });
}

/** 2:30 PM EST */
export function clockWithZone(lang: Lang, at: Instant, timeZone?: string): string {
  return part(lang, at, { hour: 'numeric', minute: '2-digit', timeZoneName: 'short', timeZone });
}

/** Nov 22, 2:30 PM EST */
export function moment(lang: Lang, at: Instant, timeZone?: string): string {
  return part(lang, at, { month: 'short', day: 'numeric', hour: 'numeric', minute: '2-digit', timeZoneName: 'short', timeZone });
}

/** Nov 22, 2025, 2:30:05 PM EST */
export function exactly(lang: Lang, at: Instant): string {
  return part(lang, at, { year: 'numeric', month: 'short', day: 'numeric', hour: 'numeric', minute: '2-digit', second: '2-digit', timeZoneName: 'short' });
}

/** Saturday, November 22: of a calendar day `YYYY-MM-DD`, which has no zone. */
export function day(lang: Lang, date: string): string {
  return part(lang, `${date}T12:00:00Z`, { weekday: 'long', month: 'long', day: 'numeric', timeZone: 'UTC' });
}

/** November 22, 1950: of a calendar day `YYYY-MM-DD`. */
export function calendarDate(lang: Lang, date: string): string {
  return part(lang, `${date}T12:00:00Z`, { year: 'numeric', month: 'long', day: 'numeric', timeZone: 'UTC' });
}

/** 3 min, 1 hr 5 min; below a minute, seconds. */
export function duration(lang: Lang, ms: number): string {
  const unit = (value: number, name: 'second' | 'minute' | 'hour') =>
    new Intl.NumberFormat(TAG[lang], { style: 'unit', unit: name, unitDisplay: 'short', maximumFractionDigits: 0 }).format(value);
  const seconds = Math.max(0, Math.floor(ms / 1000));
  if (seconds < 60) return unit(seconds, 'second');
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return unit(minutes, 'minute');
  const rest = minutes % 60;
  return rest ? `${unit(Math.floor(minutes / 60), 'hour')} ${unit(rest, 'minute')}` : unit(Math.floor(minutes / 60), 'hour');
}

/** 4:07, 1:04:07: a running length. */
export function length(ms: number): string {
  const seconds = Math.max(0, Math.round(ms / 1000));
  const pad = (n: number) => String(n).padStart(2, '0');
  const hours = Math.floor(seconds / 3600);
  const minutes = Math.floor((seconds % 3600) / 60);
  return hours ? `${hours}:${pad(minutes)}:${pad(seconds % 60)}` : `${minutes}:${pad(seconds % 60)}`;
}

export function number(lang: Lang, value: number, digits = 0): string {
  return new Intl.NumberFormat(TAG[lang], { minimumFractionDigits: digits, maximumFractionDigits: digits }).format(value);
}

export function percent(lang: Lang, ratio: number): string {
  return new Intl.NumberFormat(TAG[lang], { style: 'percent', maximumFractionDigits: ratio > 0 && ratio < 0.1 ? 1 : 0 }).format(ratio);
}

/** 1.2 MB */
export function size(lang: Lang, bytes: number): string {
  const [value, name] = bytes >= 1e9 ? [bytes / 1e9, 'gigabyte'] : bytes >= 1e6 ? [bytes / 1e6, 'megabyte'] : [bytes / 1e3, 'kilobyte'];
  return new Intl.NumberFormat(TAG[lang], { style: 'unit', unit: name as string, maximumFractionDigits: 1 }).format(value as number);
}

/** 850 kbit/s, 1.3 Mbit/s */
export function bitrate(lang: Lang, bps: number): string {
  return bps >= 1e6 ? `${number(lang, bps / 1e6, 1)} Mbit/s` : `${number(lang, bps / 1e3)} kbit/s`;
}

/** The zone's own name: Eastern Standard Time. */
export function zoneName(lang: Lang, timeZone?: string): string {
  const parts = new Intl.DateTimeFormat(TAG[lang], { timeZone, timeZoneName: 'long' }).formatToParts(new Date());
  return parts.find((one) => one.type === 'timeZoneName')?.value ?? timeZone ?? '';
}

/** Today's calendar day `YYYY-MM-DD` in a zone. */
export function today(timeZone?: string): string {
  return new Intl.DateTimeFormat('en-CA', { timeZone, year: 'numeric', month: '2-digit', day: '2-digit' }).format(new Date());
}

/** The instant at which a wall clock in `timeZone` shows `date` and `time` (`HH:MM`). */
export function atWallClock(date: string, time: string, timeZone: string): Date {
  const wanted = Date.parse(`${date}T${time}:00Z`);
  let instant = wanted;
  // Twice, because the offset may differ on the other side of a change of the clocks.
  for (let round = 0; round < 2; round++) instant = wanted - offsetMs(instant, timeZone);
  return new Date(instant);
}

function offsetMs(at: number, timeZone: string): number {
  const parts = new Intl.DateTimeFormat('en-US', {
    timeZone, hourCycle: 'h23', year: 'numeric', month: '2-digit', day: '2-digit', hour: '2-digit', minute: '2-digit', second: '2-digit',
  }).formatToParts(new Date(at));
  const of = (type: string) => Number(parts.find((one) => one.type === type)?.value);
  return Date.UTC(of('year'), of('month') - 1, of('day'), of('hour'), of('minute'), of('second')) - Math.floor(at / 1000) * 1000;
}
