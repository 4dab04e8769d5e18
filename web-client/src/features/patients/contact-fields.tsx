// Where a patient is reached: the fields that the clinic and the patients themselves fill in.

import { useId, type ReactNode } from 'react';
import type { ContactDetails } from '../../lib/api/types';
import { useText, type TextKey } from '../../lib/i18n/text';
import { Button, SelectField, TextField } from '../../lib/ui';
import css from './patients.module.css';

interface Props { draft: ContactDetails; onChange: (change: Partial<ContactDetails>) => void; invalid: { field: string; text: string } | null }

export function ContactFields({ draft, onChange, invalid }: Props) {
  const { t } = useText();
  const line = (label: TextKey, field: string, value: string | null | undefined, change: (value: string) => void, more: object = {}) => (
    <TextField label={t(label)} value={value ?? ''} error={invalid?.field === field ? invalid.text : ''} maxLength={120} autoComplete="off" onChange={(event) => change(event.target.value)} {...more} />
  );
  const uses = (value: string, of: readonly string[], change: (value: never) => void) => (
    <SelectField label={t('who.use')} value={value} onChange={(event) => change(event.target.value as never)}>
      {of.map((use) => <option key={use} value={use}>{t(`who.use.${use}` as TextKey)}</option>)}
    </SelectField>
  );
  return (
    <>
      <Rows of="phones" one={t('who.phone')} items={draft.phones} blank={{ number: '', use: 'mobile', preferred: false }} onChange={(phones) => onChange({ phones })}>
        {(one, change, at) => (
          <>
            {line('who.phone', `phones[${at}].number`, one.number, (number) => change({ ...one, number }), { type: 'tel' })}
            {uses(one.use, ['mobile', 'home', 'work'], (use) => change({ ...one, use }))}
            <Check label={t('who.preferred')} checked={one.preferred ?? false} onChange={(preferred) => onChange({ phones: only(draft.phones, at, preferred) })} />
          </>
        )}
      </Rows>
      <Rows of="emails" one={t('who.email')} items={draft.emails} blank={{ address: '', use: 'home', preferred: false }} onChange={(emails) => onChange({ emails })}>
        {(one, change, at) => (
          <>
            {line('who.email', `emails[${at}].address`, one.address, (address) => change({ ...one, address }), { type: 'email' })}
            {uses(one.use, ['home', 'work'], (use) => change({ ...one, use }))}
            <Check label={t('who.preferred')} checked={one.preferred ?? false} onChange={(preferred) => onChange({ emails: only(draft.emails, at, preferred) })} />
          </>
        )}
      </Rows>
      <Rows of="addresses" one={t('who.address')} items={draft.addresses} blank={{ use: 'home', lines: [''], city: '', region: '', postal_code: '', country: 'US' }} onChange={(addresses) => onChange({ addresses })}>
        {(one, change, at) => (
          <>
            {line('who.line1', `addresses[${at}].lines`, one.lines[0], (first) => change({ ...one, lines: [first, ...one.lines.slice(1)] }))}
            {line('who.line2', `addresses[${at}].lines[1]`, one.lines[1], (second) => change({ ...one, lines: [one.lines[0] ?? '', second] }))}
            {line('who.city', `addresses[${at}].city`, one.city, (city) => change({ ...one, city }))}
            {line('who.region', `addresses[${at}].region`, one.region, (region) => change({ ...one, region }))}
            {line('who.postal_code', `addresses[${at}].postal_code`, one.postal_code, (postal_code) => change({ ...one, postal_code }))}
            {line('who.country', `addresses[${at}].country`, one.country, (country) => change({ ...one, country }), { maxLength: 2 })}
            {uses(one.use, ['home', 'work', 'mailing', 'temporary'], (use) => change({ ...one, use }))}
          </>
        )}
      </Rows>
    </>
  );
}

type ListOf = 'former_names' | 'languages' | 'phones' | 'emails' | 'addresses' | 'emergency_contacts';

export function Rows<T>({ of, one, items, blank, onChange, children }: { of: ListOf; one: string; items: T[]; blank: T; onChange: (items: T[]) => void; children: (item: T, change: (item: T) => void, at: number) => ReactNode }) {
  const { t } = useText();
  return (
    <div className={css.repeated}>
      {items.map((item, at) => (
        <fieldset key={at} className={css.row}>
          <legend className="visually-hidden">{`${one} ${at + 1}`}</legend>
          <div className={css.pair}>{children(item, (changed) => onChange(items.map((other, n) => (n === at ? changed : other))), at)}</div>
          <Button kind="quiet" icon="close" aria-label={t('who.remove_of', { what: `${one} ${at + 1}` })} onClick={() => onChange(items.filter((_, n) => n !== at))}>{t('who.remove')}</Button>
        </fieldset>
      ))}
      <Button kind="quiet" onClick={() => onChange([...items, blank])}>{t(`who.add.${of}`)}</Button>
    </div>
  );
}

export function Check({ label, checked, onChange }: { label: string; checked: boolean; onChange: (checked: boolean) => void }) {
  const id = useId();
  return <div className={css.check}><input id={id} type="checkbox" checked={checked} onChange={(event) => onChange(event.target.checked)} /><label htmlFor={id}>{label}</label></div>;
}

/** At most one is preferred. */
function only<T extends { preferred?: boolean }>(items: T[], at: number, preferred: boolean): T[] {
  return items.map((item, n) => ({ ...item, preferred: n === at ? preferred : preferred ? false : item.preferred ?? false }));
}
