import { expect, test } from 'vitest';
import { birthDate } from './birth-date';

const today = new Date('2025-06-01T12:00:00Z');

test.each([
  ['4', '27', '1956', { date: '1956-04-27' }],
  [' 04 ', '07', '2001', { date: '2001-04-07' }],
  ['2', '29', '2000', { date: '2000-02-29' }],
  ['2', '29', '2001', { wrong: 'impossible' }],
  ['13', '1', '1990', { wrong: 'impossible' }],
  ['0', '10', '1990', { wrong: 'impossible' }],
  ['4', '27', '56', { wrong: 'impossible' }],
  ['4', '27', '2056', { wrong: 'future' }],
  ['', '27', '1956', { wrong: 'missing' }],
  ['April', '27', '1956', { wrong: 'missing' }],
])('month %s, day %s, year %s', (month, day, year, expected) => {
  expect(birthDate(month, day, year, today)).toEqual(expected);
});
