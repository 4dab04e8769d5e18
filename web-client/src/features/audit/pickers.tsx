// A person of the staff, or a patient, chosen by name; what is searched for is the id.

import { useQuery } from '@tanstack/react-query';
import { useEffect, useState, type ReactNode } from 'react';
import { ComboBox, Input, Label, ListBox, ListBoxItem, Popover, Text } from 'react-aria-components';
import { get, post } from '../../lib/api/client';
import type { AuditPerson, Page, PatientItem } from '../../lib/api/types';
import { calendarDate } from '../../lib/i18n/format';
import { useText, type TextKey } from '../../lib/i18n/text';
import { problemText } from '../../lib/ui';
import ui from '../../lib/ui/ui.module.css';
import css from './audit.module.css';

export interface Chosen { id: string; name: string }

interface PickerProps { label: string; hint?: string; value: Chosen | null; onChoose: (chosen: Chosen | null) => void }
interface Option extends Chosen { more: string }

export function PersonPicker({ label, value, onChoose }: PickerProps) {
  const { t } = useText();
  const people = useQuery({ queryKey: ['audit-people'], queryFn: ({ signal }) => get<{ items: AuditPerson[] }>('/audit/people', { signal }), staleTime: 60_000 });
  const items = people.data?.items.map((one) => ({
    id: one.staff_id, name: one.name, more: one.active ? t(`role.${one.role}` as TextKey) : `${t(`role.${one.role}` as TextKey)} · ${t('audit.left')}`,
  }));
  return <Picker label={label} value={value} onChoose={onChoose} items={items ?? []} empty={people.error ? problemText(t, people.error) : people.isPending ? t('loading') : t('audit.nobody')} />;
}

export function PatientPicker({ label, hint, value, onChoose }: PickerProps) {
  const { t, lang } = useText();
  const [text, setText] = useState('');
  const asked = useDebounced(text.trim(), 250);
  const found = useQuery({
    queryKey: ['patients', asked],
    queryFn: ({ signal }) => post<Page<PatientItem>>('/patients/search', { name: asked }, { signal }),
    enabled: asked.length >= 2 && asked !== value?.name,
    staleTime: 30_000,
  });
  const items = found.data?.items.map((one) => ({ id: one.patient_id, name: one.name, more: `${calendarDate(lang, one.date_of_birth)} · ${one.mrn}` }));
  const empty = asked.length < 2 ? t('audit.patient.type') : found.error ? problemText(t, found.error) : found.isFetching ? t('loading') : t('audit.nobody');
  return <Picker label={label} hint={hint} value={value} onChoose={onChoose} items={items ?? []} empty={empty} onText={setText} />;
}

function Picker({ label, hint, value, onChoose, items, empty, onText }: Omit<PickerProps, 'hint'> & { hint?: string | undefined; items: Option[]; empty: ReactNode; onText?: (text: string) => void }) {
  const [text, setText] = useState(value?.name ?? '');
  // Set from outside: by a button that filters for one person, or by clearing.
  const [shown, setShown] = useState(value);
  if (shown?.id !== value?.id) {
    setShown(value);
    setText(value?.name ?? '');
  }
  const wanted = text.trim().toLocaleLowerCase();
  const all = value && !items.some((one) => one.id === value.id) ? [{ ...value, more: '' }, ...items] : items;
  const matching = onText || !wanted || wanted === value?.name.toLocaleLowerCase() ? all : all.filter((one) => one.name.toLocaleLowerCase().includes(wanted));
  return (
    <ComboBox
      items={matching} inputValue={text} allowsEmptyCollection menuTrigger="focus" value={value?.id ?? null} className={ui.field}
      onInputChange={(next) => {
        setText(next);
        onText?.(next);
        if (!next && value) onChoose(null);
      }}
      onChange={(id) => {
        const chosen = all.find((one) => one.id === id);
        if (chosen && chosen.id !== value?.id) onChoose({ id: chosen.id, name: chosen.name });
        if (chosen) setText(chosen.name);
      }}
    >
      <Label className={ui.label}>{label}</Label>
      {hint && <Text slot="description" className={ui.hint}>{hint}</Text>}
      <Input className={ui.input} autoComplete="off" spellCheck={false} />
      <Popover className={css.popover}>
        <ListBox className={css.options} renderEmptyState={() => <p className={css.none}>{empty}</p>}>
          {(one: Option) => (
            <ListBoxItem id={one.id} textValue={one.name} className={css.option}>
              <span>{one.name}</span> <span className={css.more}>{one.more}</span>
            </ListBoxItem>
          )}
        </ListBox>
      </Popover>
    </ComboBox>
  );
}

function useDebounced(value: string, ms: number): string {
  const [settled, setSettled] = useState(value);
  useEffect(() => {
    const timer = setTimeout(() => setSettled(value), ms);
    return () => clearTimeout(timer);
  }, [value, ms]);
  return settled;
}
