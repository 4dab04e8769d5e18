// The fields of who a patient is, for putting on record and for changing. The form around it saves.

import type { ReactNode } from 'react';
import type { Demographics } from '../../lib/api/types';
import { useText, type TextKey } from '../../lib/i18n/text';
import { SelectField, TextField } from '../../lib/ui';
import { Check, ContactFields, Rows } from './contact-fields';
import { languageName } from './demographics-text';
import css from './patients.module.css';

const LANGUAGES = ['en', 'es', 'zh', 'vi', 'tl', 'ar', 'fr', 'ko', 'ru', 'ht', 'pt', 'pl', 'de', 'hi', 'ase'];
const ZONES = ['America/New_York', 'America/Chicago', 'America/Denver', 'America/Phoenix', 'America/Los_Angeles', 'America/Anchorage', 'Pacific/Honolulu', 'America/Puerto_Rico'];
const SEXES = ['female', 'male', 'intersex', 'unknown'] as const;

/** Everything there, so that a form has something to hold. */
export type Draft = Required<Pick<Demographics, 'former_names' | 'languages' | 'interpreter_needed' | 'phones' | 'emails' | 'addresses' | 'emergency_contacts'>> & Demographics;

export function draftOf(who?: Demographics): Draft {
  return {
    ...(who ?? { name: { given: '', family: '' }, date_of_birth: '' }),
    former_names: who?.former_names ?? [], languages: who?.languages ?? [], interpreter_needed: who?.interpreter_needed ?? false,
    phones: who?.phones ?? [], emails: who?.emails ?? [], addresses: who?.addresses ?? [], emergency_contacts: who?.emergency_contacts ?? [],
  };
}

/** As the server takes it: what is empty is left out, and rows that say nothing are dropped. */
export function ofDraft(draft: Draft): Demographics {
  const drop = <T extends object>(of: T): T => Object.fromEntries(Object.entries(of).filter(([, value]) => value !== '' && value !== undefined && value !== null)) as T;
  const said = (text: string) => text.trim() !== '';
  return {
    ...drop(draft),
    name: { ...drop(draft.name), given: draft.name.given ?? '', family: draft.name.family },
    former_names: draft.former_names.filter(said),
    languages: draft.languages.filter(said),
    phones: draft.phones.filter((one) => said(one.number)),
    emails: draft.emails.filter((one) => said(one.address)),
    addresses: draft.addresses.filter((one) => one.lines.some(said) || said(one.city)).map(drop),
    emergency_contacts: draft.emergency_contacts.filter((one) => said(one.name) || said(one.phone)).map(drop),
  };
}

interface Props { draft: Draft; onChange: (draft: Draft) => void; tried: boolean; invalid: { field: string; text: string } | null }

export function DemographicsFields({ draft, onChange, tried, invalid }: Props) {
  const { t, lang } = useText();
  const set = (change: Partial<Draft>) => onChange({ ...draft, ...change });
  const bad = (field: string) => (invalid?.field === field ? invalid.text : '');
  const needed = (field: string, value: string) => (tried && !value.trim() ? t('form.missing') : bad(field));
  const line = (label: TextKey, field: string, value: string | null | undefined, change: (value: string) => void, more: object = {}) => (
    <TextField label={t(label)} value={value ?? ''} error={bad(field)} maxLength={120} autoComplete="off" onChange={(event) => change(event.target.value)} {...more} />
  );
  const known = [...new Set([...LANGUAGES, ...draft.languages.filter(Boolean)])];
  const zones = draft.time_zone && !ZONES.includes(draft.time_zone) ? [draft.time_zone, ...ZONES] : ZONES;
  return (
    <>
      <Group title={t('who.group.identity')}>
        <div className={css.pair}>
          {line('who.given', 'name.given', draft.name.given, (given) => set({ name: { ...draft.name, given } }), { autoFocus: true })}
          {line('who.middle', 'name.middle', draft.name.middle, (middle) => set({ name: { ...draft.name, middle } }))}
          {line('who.family', 'name.family', draft.name.family, (family) => set({ name: { ...draft.name, family } }), { error: needed('name.family', draft.name.family) })}
          {line('who.suffix', 'name.suffix', draft.name.suffix, (suffix) => set({ name: { ...draft.name, suffix } }))}
          <TextField type="date" label={t('who.date_of_birth')} value={draft.date_of_birth} error={needed('date_of_birth', draft.date_of_birth)} onChange={(event) => set({ date_of_birth: event.target.value })} />
          {line('who.preferred_name', 'preferred_name', draft.preferred_name, (preferred_name) => set({ preferred_name }))}
          <SelectField label={t('who.sex_at_birth')} value={draft.sex_at_birth ?? ''} onChange={(event) => set({ sex_at_birth: (event.target.value || undefined) as Draft['sex_at_birth'] })}>
            <option value="">{t('field.optional')}</option>
            {SEXES.map((sex) => <option key={sex} value={sex}>{t(`who.sex_at_birth.${sex}`)}</option>)}
          </SelectField>
          {line('who.gender_identity', 'gender_identity', draft.gender_identity, (gender_identity) => set({ gender_identity }))}
          {line('who.pronouns', 'pronouns', draft.pronouns, (pronouns) => set({ pronouns }))}
        </div>
        <Rows of="former_names" one={t('who.former_name')} items={draft.former_names} blank="" onChange={(former_names) => set({ former_names })}>
          {(name, change, at) => line('who.former_name', `former_names[${at}]`, name, change)}
        </Rows>
      </Group>
      <Group title={t('who.group.language')}>
        <Rows of="languages" one={t('who.language')} items={draft.languages} blank="" onChange={(languages) => set({ languages })}>
          {(tag, change, at) => (
            <SelectField label={t('who.language')} hint={at === 0 ? t('who.language.hint') : undefined} value={tag} error={bad(`languages[${at}]`)} onChange={(event) => change(event.target.value)}>
              <option value="">{t('field.optional')}</option>
              {known.map((one) => <option key={one} value={one}>{languageName(lang, one)}</option>)}
            </SelectField>
          )}
        </Rows>
        <Check label={t('who.interpreter_needed')} checked={draft.interpreter_needed} onChange={(interpreter_needed) => set({ interpreter_needed })} />
        <div className={css.pair}>
          <SelectField label={t('who.time_zone')} value={draft.time_zone ?? ''} error={bad('time_zone')} onChange={(event) => set({ time_zone: event.target.value || undefined })}>
            <option value="">{t('field.optional')}</option>
            {zones.map((zone) => <option key={zone} value={zone}>{zone.replaceAll('_', ' ')}</option>)}
          </SelectField>
        </div>
      </Group>
      <Group title={t('who.group.contact')}>
        <ContactFields draft={draft} onChange={set} invalid={invalid} />
        <Rows of="emergency_contacts" one={t('who.contact')} items={draft.emergency_contacts} blank={{ name: '', relation: '', phone: '', note: '' }} onChange={(emergency_contacts) => set({ emergency_contacts })}>
          {(one, change, at) => (
            <>
              {line('who.contact.name', `emergency_contacts[${at}].name`, one.name, (name) => change({ ...one, name }))}
              {line('who.contact.relation', `emergency_contacts[${at}].relation`, one.relation, (relation) => change({ ...one, relation }))}
              {line('who.contact.phone', `emergency_contacts[${at}].phone`, one.phone, (phone) => change({ ...one, phone }), { type: 'tel' })}
              {line('who.contact.note', `emergency_contacts[${at}].note`, one.note, (note) => change({ ...one, note }))}
            </>
          )}
        </Rows>
      </Group>
    </>
  );
}

function Group({ title, children }: { title: string; children: ReactNode }) {
  return <fieldset className={css.group}><legend>{title}</legend>{children}</fieldset>;
}
