import { expect, test } from 'vitest';
import { common as commonEn } from './common.en';
import { common as commonEs } from './common.es';
import { atWallClock, duration, length } from './format';
import { staff as staffEn } from './staff.en';
import { staff as staffEs } from './staff.es';

const blanks = (text: string) => [...text.matchAll(/\{(\w+)\}/g)].map(([, name]) => name).sort();

test.each([['common', commonEn, commonEs], ['staff', staffEn, staffEs]] as [string, Record<string, string>, Record<string, string>][])('%s: both languages say the same things and fill in the same blanks', (_, en, es) => {
  expect(Object.keys(es).sort()).toEqual(Object.keys(en).sort());
  for (const [key, text] of Object.entries(en)) {
    expect(es[key]?.trim(), key).not.toBe('');
    expect(blanks(es[key] ?? ''), key).toEqual(blanks(text));
  }
});

test('the words that help texts and tests rely on stand as promised', () => {
  const said = Object.values({ ...commonEn, ...staffEn });
  for (const word of [
    'Continue', 'I agree', 'Join waiting room', 'Leave', 'Admit', 'Return to waiting', 'Start recording', 'Stop recording', 'Allow recording', 'Do not record', 'Mute',
    'Turn camera off', 'Share screen', 'Chat', 'End visit', 'Save draft', 'Sign note', 'Sign in', 'Sign out', 'Waiting', 'Admitted', 'Reconnecting', 'Recording', 'Interrupted', 'Visit ended',
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
