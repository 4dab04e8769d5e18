// What the clinic has decided for itself: how records are numbered, how long they are kept, how long care lasts, whether
// recordings are shared. Administrators change it.

import { useQuery, useQueryClient } from '@tanstack/react-query';
import { useId, useState, type FormEvent } from 'react';
import { put } from '../../lib/api/client';
import { reading } from '../../lib/api/refetch';
import type { ClinicSettings, Me } from '../../lib/api/types';
import { useText } from '../../lib/i18n/text';
import { Button, ErrorText, Failed, Loading, Notice, TextField } from '../../lib/ui';
import { useTitle } from '../../lib/ui/now';
import { useSubmit } from '../session/submit';
import css from './settings.module.css';

const KEY = ['settings'];

export function SettingsPage({ me }: { me: Me }) {
  const { t } = useText();
  useTitle(`${t('settings.title')} · ${me.clinic.name}`);
  const { data, error, refetch } = useQuery({ queryKey: KEY, queryFn: reading<ClinicSettings>('/settings') });
  return (
    <div className={css.page}>
      <header><h1>{t('settings.title')}</h1><p className={css.quiet}>{t('settings.intro', { clinic: me.clinic.name })}</p></header>
      {!data && (error ? <Failed error={error} onRetry={() => void refetch()} /> : <Loading />)}
      {data && <Records stored={data} />}
      {data && <Numbers stored={data} />}
    </div>
  );
}

function whole(text: string, least: number, most: number): number | null {
  const n = /^\d+$/.test(text.trim()) ? Number(text) : NaN;
  return n >= least && n <= most ? n : null;
}

function Records({ stored }: { stored: ClinicSettings }) {
  const { t } = useText();
  const queries = useQueryClient();
  const shares = useId();
  const [years, setYears] = useState(String(stored.retention_years));
  const [days, setDays] = useState(String(stored.care_days));
  const [shared, setShared] = useState(stored.shares_recordings);
  const [saved, setSaved] = useState(false);
  const { busy, error, run } = useSubmit({});
  const submit = (event: FormEvent) => {
    event.preventDefault();
    setSaved(false);
    const retention_years = whole(years, 1, 100);
    const care_days = whole(days, 1, 3650);
    const wrong = retention_years === null ? t('settings.years.wrong') : care_days === null ? t('settings.days.wrong') : null;
    void run(wrong, async () => {
      queries.setQueryData(KEY, await put<ClinicSettings>('/settings', { retention_years, care_days, shares_recordings: shared }));
      setSaved(true);
    });
  };
  return (
    <form className={css.form} onSubmit={submit} noValidate aria-label={t('settings.records')}>
      <h2>{t('settings.records')}</h2>
      <TextField inputMode="numeric" label={t('settings.years')} hint={t('settings.years.hint')} value={years} maxLength={3} onChange={(event) => setYears(event.target.value)} />
      <TextField inputMode="numeric" label={t('settings.days')} hint={t('settings.days.hint')} value={days} maxLength={4} onChange={(event) => setDays(event.target.value)} />
      <div className={css.check}>
        <input id={shares} type="checkbox" checked={shared} onChange={(event) => setShared(event.target.checked)} />
        <label htmlFor={shares}>{t('settings.shares')} <span>{t('settings.shares.hint')}</span></label>
      </div>
      {error && <ErrorText>{error}</ErrorText>}
      {saved && <Notice tone="accent" live>{t('settings.saved')}</Notice>}
      <Button type="submit" kind="primary" busy={busy}>{t('settings.save')}</Button>
    </form>
  );
}

function Numbers({ stored }: { stored: ClinicSettings }) {
  const { t } = useText();
  const [prefix, setPrefix] = useState(stored.mrn_prefix);
  const [next, setNext] = useState('');
  const { busy, error, run } = useSubmit({});
  const submit = (event: FormEvent) => {
    event.preventDefault();
    setNext('');
    void run(/^[a-z]{1,4}$/i.test(prefix.trim()) ? null : t('settings.prefix.wrong'), async () => {
      setNext((await put<{ next: string }>('/patients/numbers', { prefix: prefix.trim() })).next);
    });
  };
  return (
    <form className={css.form} onSubmit={submit} noValidate aria-label={t('settings.numbers')}>
      <h2>{t('settings.numbers')}</h2>
      <TextField label={t('settings.prefix')} hint={t('settings.prefix.hint')} value={prefix} maxLength={4} autoComplete="off" spellCheck={false} onChange={(event) => setPrefix(event.target.value)} />
      {error && <ErrorText>{error}</ErrorText>}
      {next && <Notice tone="accent" live>{t('settings.prefix.saved', { next })}</Notice>}
      <Button type="submit" busy={busy}>{t('settings.prefix.save')}</Button>
    </form>
  );
}
