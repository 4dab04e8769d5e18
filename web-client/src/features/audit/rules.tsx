// From when on access counts as unusual.

import { useQuery, useQueryClient } from '@tanstack/react-query';
import { useState, type FormEvent } from 'react';
import { get, put } from '../../lib/api/client';
import type { AccessRules, Me } from '../../lib/api/types';
import { useText, type TextKey } from '../../lib/i18n/text';
import { Button, Dialog, ErrorText, Failed, Loading, problemText, TextField } from '../../lib/ui';
import css from './audit.module.css';

export function RulesDialog({ me, onClose }: { me: Me; onClose: () => void }) {
  const { t } = useText();
  const { data, error, refetch } = useQuery({ queryKey: ['audit-rules'], queryFn: ({ signal }) => get<AccessRules>('/audit/rules', { signal }) });
  if (data) return <Form rules={data} canChange={me.role === 'compliance'} onClose={onClose} />;
  return (
    <Dialog title={t('unusual.rules')} onClose={onClose} actions={<Button onClick={onClose}>{t('close')}</Button>}>
      {error ? <Failed error={error} onRetry={() => void refetch()} /> : <Loading />}
    </Dialog>
  );
}

type Numbers = Exclude<keyof AccessRules, 'open_weekends' | 'same_name'>;

function Form({ rules, canChange, onClose }: { rules: AccessRules; canChange: boolean; onClose: () => void }) {
  const { t } = useText();
  const queries = useQueryClient();
  const [draft, setDraft] = useState(rules);
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState('');
  const submit = async (event: FormEvent) => {
    event.preventDefault();
    setBusy(true);
    try {
      queries.setQueryData(['audit-rules'], await put<AccessRules>('/audit/rules', draft));
      onClose();
    } catch (problem) {
      setError(problemText(t, problem));
      setBusy(false);
    }
  };
  const number = (name: Numbers) => (
    <TextField type="number" label={t(`unusual.rules.${name}` as TextKey)} value={draft[name]} disabled={!canChange} min={1} onChange={(event) => setDraft({ ...draft, [name]: Math.trunc(Number(event.target.value)) })} />
  );
  const time = (name: Numbers) => (
    <TextField type="time" label={t(`unusual.rules.${name}` as TextKey)} value={clock(draft[name])} disabled={!canChange} onChange={(event) => setDraft({ ...draft, [name]: minutes(event.target.value) })} />
  );
  const yes = (name: 'open_weekends' | 'same_name') => (
    <label className={css.check}><input type="checkbox" checked={draft[name]} disabled={!canChange} onChange={(event) => setDraft({ ...draft, [name]: event.target.checked })} /> {t(`unusual.rules.${name}`)}</label>
  );
  return (
    <Dialog
      title={t('unusual.rules')} onClose={onClose}
      actions={canChange
        ? <><Button onClick={onClose}>{t('cancel')}</Button><Button type="submit" form="rules" kind="primary" busy={busy}>{t('unusual.rules.save')}</Button></>
        : <Button onClick={onClose}>{t('close')}</Button>}
    >
      <form id="rules" onSubmit={(event) => void submit(event)} noValidate className={css.rules}>
        <p className={css.quiet}>{t('unusual.rules.intro')}</p>
        <fieldset><legend>{t('unusual.rules.many')}</legend>{number('many_patients')}{number('many_patients_minutes')}</fieldset>
        <fieldset><legend>{t('unusual.rules.hours')}</legend>{time('opens_at_minute')}{time('closes_at_minute')}{number('after_hours_patients')}{yes('open_weekends')}</fieldset>
        <fieldset><legend>{t('unusual.rules.refused')}</legend>{number('refusals')}{number('refusals_minutes')}</fieldset>
        <fieldset><legend>{t('unusual.rules.names')}</legend>{yes('same_name')}</fieldset>
        {error && <ErrorText>{error}</ErrorText>}
      </form>
    </Dialog>
  );
}

/** 450 as 07:30. */
export function clock(minute: number): string {
  const of = (n: number) => String(Math.trunc(n)).padStart(2, '0');
  return `${of(minute / 60)}:${of(minute % 60)}`;
}

/** 07:30 as 450; what is no time is midnight. */
export function minutes(text: string): number {
  const [hours = 0, rest = 0] = text.split(':').map(Number);
  return hours * 60 + rest || 0;
}
