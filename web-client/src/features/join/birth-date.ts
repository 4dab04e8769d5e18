/** What was typed as a date of birth: `YYYY-MM-DD`, or what is wrong with it. */
export function birthDate(month: string, day: string, year: string, today: Date): { date: string } | { wrong: 'missing' | 'impossible' | 'future' } {
  const digits = (text: string, length: number) => new RegExp(`^\\d{1,${length}}$`).test(text.trim());
  if (!digits(month, 2) || !digits(day, 2) || !digits(year, 4)) return { wrong: 'missing' };
  if (year.trim().length !== 4) return { wrong: 'impossible' };
  const [y, m, d] = [Number(year), Number(month), Number(day)];
  const date = new Date(Date.UTC(y, m - 1, d));
  if (date.getUTCFullYear() !== y || date.getUTCMonth() !== m - 1 || date.getUTCDate() !== d || y < 1880) return { wrong: 'impossible' };
  if (date > today) return { wrong: 'future' };
  return { date: date.toISOString().slice(0, 10) };
}
