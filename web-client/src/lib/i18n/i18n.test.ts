import { expect, test } from 'vitest';
import { catalogues, type Area } from './catalogues';
import { atWallClock, duration, length } from './format';

const blanks = (text: string) => [...text.matchAll(/\{(\w+)\}/g)].map(([, name]) => name).sort();

const areas = Object.keys(catalogues) as Area[];

test.each(areas)('%s: both languages say the same things and fill in the same blanks', async (area) => {
  const en: Record<string, string> = (await catalogues[area].en()).texts;
  const es: Record<string, string> = (await catalogues[area].es()).texts;
  expect(Object.keys(es).sort()).toEqual(Object.keys(en).sort());
  for (const [key, text] of Object.entries(en)) {
    expect(es[key]?.trim(), key).not.toBe('');
    expect(blanks(es[key] ?? ''), key).toEqual(blanks(text));
  }
});

test('no two areas use one key', async () => {
  const keys = (await Promise.all(areas.map((area) => catalogues[area].en()))).flatMap((part) => Object.keys(part.texts));
  expect(keys.filter((key, at) => keys.indexOf(key) !== at)).toEqual([]);
});

test('the words that help texts and tests rely on stand as promised', async () => {
  const said = (await Promise.all(areas.map((area) => catalogues[area].en()))).flatMap((part) => Object.values(part.texts) as string[]);
  for (const word of [
    'Continue', 'I agree', 'Join waiting room', 'Leave', 'Admit', 'Return to waiting', 'Start recording', 'Stop recording', 'Allow recording', 'Do not record', 'Mute',
    'Turn camera off', 'Share screen', 'Chat', 'Invite', 'End visit', 'Save draft', 'Sign note', 'Sign in', 'Sign out', 'Waiting', 'Admitted', 'Reconnecting', 'Recording', 'Interrupted', 'Visit ended',
  ]) expect(said, word).toContain(word);
});

test('a time typed on the clinic’s clock becomes the right instant, also on the day the clocks change', () => {
  expect(atWallClock('2025-01-15', '09:30', 'America/Chicago').toISOString()).toBe('2025-01-15T15:30:00.000Z');
  expect(atWallClock('2025-07-15', '09:30', 'America/Chicago').toISOString()).toBe('2025-07-15T14:30:00.000Z');
  expect(atWallClock('2025-03-09', '08:00', 'America/New_York').toISOString()).toBe('2025-03-09T12:00:00.000Z');
  expect(atWallClock('2025-11-02', '00:30', 'America/New_York').toISOString()).toBe('2025-11-02T04:30:00.000Z');
});

test('lengths read as people say them', () => {
  expect(duration('en', 45_000)).toBe('45 sec');
  expect(duration('en', 12 * 60_000)).toBe('12 min');
  expect(duration('en', 65 * 60_000)).toBe('1 hr 5 min');
  expect(length(247_000)).toBe('4:07');
});
