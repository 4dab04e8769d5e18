// Records that were merged into this one, and a look for others that could be.

import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { useState } from 'react';
import { post } from '../../lib/api/client';
import { reading } from '../../lib/api/refetch';
import type { Candidates, PatientRecord, Unmerged } from '../../lib/api/types';
import { calendarDate, moment } from '../../lib/i18n/format';
import { useText } from '../../lib/i18n/text';
import { Button, Dialog, ErrorText, Failed, Loading, Notice, problemText } from '../../lib/ui';
import css from './patients.module.css';

type Alias = PatientRecord['aliases'][number];

export function Merged({ record, mayMerge, onChanged }: { record: PatientRecord; mayMerge: boolean; onChanged: () => void }) {
  const { t, lang } = useText();
  const [looking, setLooking] = useState(false);
  const [undoing, setUndoing] = useState<Alias | null>(null);
  const [kept, setKept] = useState(false);
  return (
    <section className={css.card} aria-labelledby="merged">
      <header>
        <h2 id="merged">{t('chart.merged')}</h2>
        {mayMerge && <Button kind="quiet" onClick={() => setLooking(true)}>{t('chart.duplicates')}</Button>}
      </header>
      {kept && <Notice tone="warn" live>{t('chart.unmerge.kept')}</Notice>}
      {record.aliases.length > 0 ? <p>{t('chart.merged.body')}</p> : <p className={css.quiet}>{t('chart.empty')}</p>}
      <ul className={css.plain}>
        {record.aliases.map((one) => (
          <li key={one.patient_id}>
            <span>{t('chart.merged.one', { name: one.name, born: calendarDate(lang, one.date_of_birth), mrn: one.mrn, time: moment(lang, one.merged_at), by: one.merged_by })}</span>
            {mayMerge && <Button kind="quiet" aria-label={t('chart.unmerge_of', { name: one.name })} onClick={() => setUndoing(one)}>{t('chart.unmerge')}</Button>}
          </li>
        ))}
      </ul>
      {looking && <Duplicates patientId={record.patient_id} />}
      {undoing && <Undo record={record} alias={undoing} onClose={() => setUndoing(null)} onDone={(restored) => {
        setUndoing(null);
        setKept(!restored);
        onChanged();
      }} />}
    </section>
  );
}

function Duplicates({ patientId }: { patientId: string }) {
  const { t, lang } = useText();
  const { data, error, refetch } = useQuery({ queryKey: ['patient', patientId, 'duplicates'], queryFn: reading<Candidates>(`/patients/${patientId}/duplicates`), staleTime: 0 });
  if (!data) return error ? <Failed error={error} onRetry={() => void refetch()} /> : <Loading />;
  if (data.items.length === 0) return <p role="status">{t('chart.duplicates.none')}</p>;
  return (
    <ul className={css.plain}>
      {data.items.map((one) => (
        <li key={one.patient_id}>
          <span><strong>{one.name}</strong> <span className={css.quiet}>{calendarDate(lang, one.date_of_birth)} · {one.mrn}</span></span>
          <Link to="/app/patients/$patientId/merge/$otherId" params={{ patientId, otherId: one.patient_id }}>{t('chart.duplicates.compare', { name: one.name })}</Link>
        </li>
      ))}
    </ul>
  );
}

function Undo({ record, alias, onClose, onDone }: { record: PatientRecord; alias: Alias; onClose: () => void; onDone: (restored: boolean) => void }) {
  const { t } = useText();
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<unknown>(null);
  const undo = async () => {
    if (busy) return;
    setBusy(true);
    setError(null);
    try {
      onDone((await post<Unmerged>(`/patients/${record.patient_id}/unmerge`, { merged_id: alias.patient_id })).demographics_restored);
    } catch (problem) {
      setError(problem);
      setBusy(false);
    }
  };
  return (
    <Dialog title={t('chart.unmerge_of', { name: alias.name })} onClose={onClose}
      actions={<><Button onClick={onClose}>{t('cancel')}</Button><Button kind="primary" busy={busy} onClick={() => void undo()}>{t('chart.unmerge')}</Button></>}>
      <p>{t('chart.unmerge.body')}</p>
      {error !== null && <ErrorText>{problemText(t, error)}</ErrorText>}
    </Dialog>
  );
}
