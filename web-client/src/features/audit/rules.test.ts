import { expect, test } from 'vitest';
import { clock, minutes } from './rules';

test('a time of day survives being minutes', () => {
  for (const text of ['00:00', '07:30', '12:05', '23:59']) expect(clock(minutes(text))).toBe(text);
  expect(minutes('')).toBe(0);
});
