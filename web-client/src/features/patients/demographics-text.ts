// Demographics in words: one line per detail, for reading, comparing and the history.

import type { Demographics } from '../../lib/api/types';
import { calendarDate } from '../../lib/i18n/format';
import type { Lang, TextKey, Translate } from '../../lib/i18n/text';

/** The details in the order in which they are shown. `name` is first: it is compared, but stands in the heading. */
export const DETAILS = [
  'name', 'preferred_name', 'former_names', 'date_of_birth', 'sex_at_birth', 'gender_identity', 'pronouns', 'languages', 'interpreter_needed',
  'phones', 'emails', 'addresses', 'time_zone', 'emergency_contacts',
] as const satisfies readonly (keyof Demographics)[];
export type Detail = (typeof DETAILS)[number];

/** Label and text of every detail that is stated. */
export function linesOf(t: Translate, lang: Lang, who: Demographics): [label: string, text: string][] {
  return DETAILS.map((detail): [string, string] => [t(`who.${detail}`), detailText(t, lang, who, detail)]).filter(([, text]) => text !== '');
}

export function detailText(t: Translate, lang: Lang, who: Demographics, detail: Detail): string {
  switch (detail) {
    case 'name': return wholeName(who);
    case 'date_of_birth': return calendarDate(lang, who.date_of_birth);
    case 'sex_at_birth': return who.sex_at_birth ? t(`who.sex_at_birth.${who.sex_at_birth}`) : '';
    case 'interpreter_needed': return who.interpreter_needed ? t('who.yes') : '';
    case 'former_names': return lines(who.former_names);
    case 'languages': return (who.languages ?? []).map((tag) => languageName(lang, tag)).join(', ');
    case 'phones': return lines(who.phones?.map((one) => `${phoneText(one.number)} ${marks(t, one)}`));
    case 'emails': return lines(who.emails?.map((one) => `${one.address} ${marks(t, one)}`));
    case 'addresses': return lines(who.addresses?.map((one) => `${addressText(one)} (${t(`who.use.${one.use}`)})`));
    case 'emergency_contacts': return lines(who.emergency_contacts?.map((one) => [[one.name, one.relation && `(${one.relation})`].filter(Boolean).join(' '), phoneText(one.phone), one.note].filter(Boolean).join(', ')));
    default: return who[detail] ?? '';
  }
}

export function wholeName({ name }: Demographics): string {
  return [name.given, name.middle, name.family, name.suffix].filter(Boolean).join(' ');
}

export function shownName({ name }: Demographics): string {
  return [name.given, name.family, name.suffix].filter(Boolean).join(' ');
}

/** +13125550142 as (312) 555-0142; others as they are. */
export function phoneText(number: string): string {
  const home = /^\+1(\d{3})(\d{3})(\d{4})$/.exec(number);
  return home ? `(${home[1]}) ${home[2]}-${home[3]}` : number;
}

export function languageName(lang: Lang, tag: string): string {
  try {
    return new Intl.DisplayNames([lang], { type: 'language' }).of(tag) ?? tag;
  } catch {
    return tag;
  }
}

/** Whole years, or months below two years. */
export function age(t: Translate, born: string, today: string): string {
  const [y = 0, m = 0, d = 0] = born.split('-').map(Number);
  const [ty = 0, tm = 0, td = 0] = today.split('-').map(Number);
  const months = (ty - y) * 12 + (tm - m) - (td < d ? 1 : 0);
  return months < 24 ? t('chart.age.months', { n: Math.max(0, months) }) : t('chart.age', { n: Math.floor(months / 12) });
}

function addressText(one: Demographics['addresses'] extends (infer A)[] | undefined ? A : never): string {
  const city = [one.city, [one.region, one.postal_code].filter(Boolean).join(' ')].filter(Boolean).join(', ');
  return [...one.lines, city, one.country === 'US' ? '' : one.country].filter(Boolean).join(', ');
}

function marks(t: Translate, one: { use: string; preferred?: boolean }): string {
  return `(${[t(`who.use.${one.use}` as TextKey), one.preferred && t('who.preferred')].filter(Boolean).join(', ')})`;
}

function lines(texts: string[] | undefined): string {
  return (texts ?? []).join('\n');
}
