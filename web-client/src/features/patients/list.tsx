// Patients, found by what one knows of them. What is searched for never stands in an address.

import { useInfiniteQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { useState, type FormEvent } from 'react';
import { get, post, query } from '../../lib/api/client';
import type { Me, Page, PatientItem } from '../../lib/api/types';
import { calendarDate } from '../../lib/i18n/format';
import { useText } from '../../lib/i18n/text';
import { Button, buttonLook, Empty, Failed, Loading, TextField } from '../../lib/ui';
import { useTitle } from '../../lib/ui/now';
import { createsPatients } from './rights';
import css from './patients.module.css';

const NOTHING = { name: '', date_of_birth: '', phone: '', mrn: '' };
type Wanted = typeof NOTHING;

export function PatientList({ me }: { me: Me }) {
  const { t, lang } = useText();
  const [draft, setDraft] = useState<Wanted>(NOTHING);
  const [wanted, setWanted] = useState<Wanted>(NOTHING);
  useTitle(`${t('patients.title')} · ${me.clinic.name}`);
  const searching = Object.values(wanted).some(Boolean);
  const { data, error, refetch, fetchNextPage, hasNextPage, isFetchingNextPage } = useInfiniteQuery({
    queryKey: ['patients', 'list', wanted],
    queryFn: ({ pageParam, signal }) => {
      if (!searching) return get<Page<PatientItem>>(`/patients${query({ cursor: pageParam })}`, { signal });
      const given = Object.fromEntries(Object.entries(wanted).filter(([, value]) => value));
      return post<Page<PatientItem>>('/patients/search', { ...given, ...(pageParam ? { cursor: pageParam } : {}) }, { signal });
    },
    initialPageParam: '',
    getNextPageParam: (page) => page.next_cursor,
  });
  const items = data?.pages.flatMap((page) => page.items) ?? [];
  const submit = (event: FormEvent) => {
    event.preventDefault();
    const trimmed = Object.fromEntries(Object.entries(draft).map(([key, value]) => [key, value.trim()])) as Wanted;
    if (JSON.stringify(trimmed) === JSON.stringify(wanted)) void refetch();
    else setWanted(trimmed);
  };
  const field = (name: keyof Wanted, key: 'name' | 'born' | 'phone' | 'mrn', type = 'text') => (
    <TextField type={type} label={t(`patients.by.${key}`)} value={draft[name]} maxLength={100} autoComplete="off" spellCheck={false} onChange={(event) => setDraft({ ...draft, [name]: event.target.value })} />
  );
  return (
    <div className={css.page}>
      <header className={css.head}>
        <div><h1>{t('patients.title')}</h1><p className={css.quiet}>{t('patients.intro')}</p></div>
        {createsPatients(me.role) && <Link to="/app/patients/new" className={buttonLook('primary')}>{t('patients.new')}</Link>}
      </header>
      <form role="search" onSubmit={submit} className={css.search}>
        {field('name', 'name')}{field('date_of_birth', 'born', 'date')}{field('phone', 'phone', 'tel')}{field('mrn', 'mrn')}
        <div className={css.buttons}>
          <Button type="submit" kind="primary" icon="search">{t('patients.search')}</Button>
          <Button kind="quiet" onClick={() => { setDraft(NOTHING); setWanted(NOTHING); }}>{t('patients.clear')}</Button>
        </div>
      </form>
      {!data && (error ? <Failed error={error} onRetry={() => void refetch()} /> : <Loading />)}
      {data && items.length === 0 && (searching
        ? <Empty icon="search" title={t('patients.empty')}>{t('patients.empty.body')}</Empty>
        : <Empty icon="person" title={t('patients.none')}>{t('patients.none.body')}</Empty>)}
      {items.length > 0 && (
        <table className={css.table}>
          <thead><tr><th scope="col">{t('patients.col.name')}</th><th scope="col">{t('patients.col.born')}</th><th scope="col">{t('patients.col.mrn')}</th></tr></thead>
          <tbody>
            {items.map((one) => (
              <tr key={one.patient_id}>
                <td><Link to="/app/patients/$patientId" params={{ patientId: one.patient_id }}>{one.name}</Link></td>
                <td>{calendarDate(lang, one.date_of_birth)}</td>
                <td>{one.mrn}</td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
      <p className="visually-hidden" role="status">{data && t('patients.shown', { n: items.length })}</p>
      {hasNextPage && <Button busy={isFetchingNextPage} onClick={() => void fetchNextPage()}>{t('patients.more')}</Button>}
    </div>
  );
}
