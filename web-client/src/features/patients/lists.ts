// The lists of a chart, field by field: one description that forms, rows and histories are made from.

import type { ClinicalEntry, CoverageEntry } from '../../lib/api/types';
import type { TextKey, Translate } from '../../lib/i18n/text';

export type ListName = 'allergy' | 'condition' | 'medication' | 'immunization' | 'procedure' | 'coverage';
/** What a form holds: everything as text. */
export type Values = Record<string, string>;

export interface FieldKind {
  /** In the document; `subscriber.name` stands one deeper. */
  name: string;
  label: TextKey;
  kind: 'line' | 'text' | 'partial' | 'date' | 'phone' | 'choice';
  choices?: readonly string[];
  /** Where the choices' words are, if not under the label. */
  words?: string;
  required?: boolean;
  /** What a new entry begins with. */
  start?: string;
}

const STATUS = { name: 'status', label: 'field.status', kind: 'choice', required: true, start: 'active' } as const;
const NOTE = { name: 'note', label: 'field.note', kind: 'text' } as const;

export const LISTS: Record<ListName, readonly FieldKind[]> = {
  allergy: [
    { name: 'substance', label: 'field.substance', kind: 'line', required: true },
    { name: 'reaction', label: 'field.reaction', kind: 'line' },
    { name: 'severity', label: 'field.severity', kind: 'choice', choices: ['mild', 'moderate', 'severe'] },
    { name: 'criticality', label: 'field.criticality', kind: 'choice', choices: ['low', 'high', 'unable_to_assess'] },
    { ...STATUS, choices: ['active', 'inactive', 'resolved'] },
    { name: 'verification', label: 'field.verification', kind: 'choice', choices: ['unconfirmed', 'confirmed', 'refuted'], required: true, start: 'unconfirmed' },
    { name: 'onset', label: 'field.onset', kind: 'partial' },
    NOTE,
  ],
  condition: [
    { name: 'text', label: 'field.text', kind: 'line', required: true },
    { name: 'icd10', label: 'field.icd10', kind: 'line' },
    { ...STATUS, choices: ['active', 'recurrence', 'relapse', 'inactive', 'remission', 'resolved'] },
    { name: 'onset', label: 'field.onset', kind: 'partial' },
    { name: 'abatement', label: 'field.abatement', kind: 'partial' },
    NOTE,
  ],
  medication: [
    { name: 'name', label: 'field.medication', kind: 'line', required: true },
    { name: 'dose', label: 'field.dose', kind: 'line' },
    { name: 'route', label: 'field.route', kind: 'line' },
    { name: 'frequency', label: 'field.frequency', kind: 'line' },
    { ...STATUS, choices: ['active', 'on_hold', 'intended', 'completed', 'stopped'] },
    { name: 'starts_on', label: 'field.starts_on', kind: 'partial' },
    { name: 'stops_on', label: 'field.stops_on', kind: 'partial' },
    { name: 'prescriber', label: 'field.prescriber', kind: 'line' },
    { name: 'rxnorm', label: 'field.rxnorm', kind: 'line' },
    NOTE,
  ],
  immunization: [
    { name: 'vaccine', label: 'field.vaccine', kind: 'line', required: true },
    { name: 'given_on', label: 'field.given_on', kind: 'partial', required: true },
    { name: 'cvx', label: 'field.cvx', kind: 'line' },
    { name: 'lot', label: 'field.lot', kind: 'line' },
    { name: 'site', label: 'field.site', kind: 'line' },
    NOTE,
  ],
  procedure: [
    { name: 'procedure', label: 'field.procedure', kind: 'line', required: true },
    { name: 'performed_on', label: 'field.performed_on', kind: 'partial' },
    NOTE,
  ],
  coverage: [
    { name: 'payer', label: 'field.payer', kind: 'line', required: true },
    { name: 'plan', label: 'field.plan', kind: 'line' },
    { name: 'member_id', label: 'field.member_id', kind: 'line', required: true },
    { name: 'group_number', label: 'field.group_number', kind: 'line' },
    { name: 'order', label: 'field.order', kind: 'choice', choices: ['primary', 'secondary', 'tertiary'], required: true, start: 'primary' },
    { name: 'subscriber.relation', label: 'field.relation', words: 'field.relation', kind: 'choice', choices: ['oneself', 'spouse', 'child', 'parent', 'other'], required: true, start: 'oneself' },
    { name: 'subscriber.name', label: 'field.subscriber_name', kind: 'line' },
    { name: 'subscriber.date_of_birth', label: 'field.subscriber_born', kind: 'date' },
    { name: 'starts_on', label: 'field.starts_on', kind: 'partial' },
    { name: 'ends_on', label: 'field.ends_on', kind: 'partial' },
    { name: 'payer_phone', label: 'field.payer_phone', kind: 'phone' },
  ],
};

/** An entry of any list, in one shape. */
export interface Line {
  list: ListName;
  id: string;
  version: number;
  inError: boolean;
  reason: string | null;
  changedAt: string;
  changedBy: string | null;
  values: Values;
}

export function lineOfClinical(entry: ClinicalEntry): Line {
  return { ...head(entry), list: entry.document.list, values: flat(entry.document.list, entry.document.entry) };
}

export function lineOfCoverage(entry: CoverageEntry): Line {
  return { ...head(entry), list: 'coverage', values: flat('coverage', entry.entry) };
}

function head(entry: ClinicalEntry | CoverageEntry) {
  return { id: entry.entry_id, version: entry.version, inError: entry.entered_in_error, reason: entry.reason, changedAt: entry.changed_at, changedBy: entry.changed_by };
}

/** A document as a form holds it. */
export function flat(list: ListName, document: object): Values {
  const values: Values = {};
  for (const { name } of LISTS[list]) {
    let at: unknown = document;
    for (const part of name.split('.')) at = (at as Record<string, unknown> | undefined)?.[part];
    values[name] = typeof at === 'string' ? at : '';
  }
  return values;
}

/** What a form holds, as a document: what is empty is left out. */
export function documentOf(list: ListName, values: Values): Record<string, unknown> {
  const document: Record<string, unknown> = {};
  for (const { name } of LISTS[list]) {
    const value = values[name]?.trim();
    if (!value) continue;
    const [first, second] = name.split('.') as [string, string?];
    if (second === undefined) document[first] = value;
    else document[first] = { ...(document[first] as object | undefined), [second]: value };
  }
  return document;
}

export function startOf(list: ListName): Values {
  return Object.fromEntries(LISTS[list].map((field) => [field.name, field.start ?? '']));
}

/** A value in words. */
export function valueText(t: Translate, field: FieldKind, value: string): string {
  return field.kind === 'choice' && value ? t(`${field.words ?? field.label}.${value}` as TextKey) : value;
}

/** The line's own name: the first field of its list. */
export function titleOf(line: Pick<Line, 'list' | 'values'>): string {
  return line.values[LISTS[line.list][0]?.name ?? ''] ?? '';
}

const CURRENT: Record<string, readonly string[]> = {
  allergy: ['active'],
  condition: ['active', 'recurrence', 'relapse'],
  medication: ['active', 'on_hold', 'intended'],
};

/** Whether it counts today: not over, not refuted, not in error. */
export function isCurrent(line: Line, today: string): boolean {
  if (line.inError || line.values.verification === 'refuted') return false;
  const words = CURRENT[line.list];
  if (words) return words.includes(line.values.status ?? '');
  const ends = line.values.ends_on;
  return line.list !== 'coverage' || !ends || ends >= today.slice(0, ends.length);
}
