// Two records side by side. For every detail that differs somebody chooses which one stays.

import { useQuery, useQueryClient } from '@tanstack/react-query';
import { Link, useNavigate } from '@tanstack/react-router';
import { useState } from 'react';
import { post } from '../../lib/api/client';
import { reading } from '../../lib/api/refetch';
import type { Demographics, Me, PatientRecord } from '../../lib/api/types';
import { useText } from '../../lib/i18n/text';
import { Button, Dialog, ErrorText, Failed, Icon, Loading, Pill, problemText } from '../../lib/ui';
import { useTitle } from '../../lib/ui/now';
import { DETAILS, detailText, shownName, wholeName, type Detail } from './demographics-text';
import css from './patients.module.css';

export function Merge({ me, patientId, otherId }: { me: Me; patientId: string; otherId: string }) {
  const one = useQuery({ queryKey: ['patient', patientId], queryFn: reading<PatientRecord>(`/patients/${patientId}`) });
  const other = useQuery({ queryKey: ['patient', otherId], queryFn: reading<PatientRecord>(`/patients/${otherId}`) });
  const error = one.error ?? other.error;
  if (!one.data || !other.data) return error ? <Failed error={error} onRetry={() => { void one.refetch(); void other.refetch(); }} /> : <Loading />;
  return <SideBySide me={me} records={[one.data, other.data]} />;
}

function SideBySide({ me, records }: { me: Me; records: [PatientRecord, PatientRecord] }) {
  const { t, lang } = useText();
  const navigate = useNavigate();
  const queries = useQueryClient();
  const [swapped, setSwapped] = useState(false);
  const [chosen, setChosen] = useState<Partial<Record<Detail, 'survivor' | 'other'>>>({});
  const [asking, setAsking] = useState(false);
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<unknown>(null);
  const [survivor, other] = swapped ? [records[1], records[0]] : records;
  useTitle(`${t('merge.title')} · ${me.clinic.name}`);
  const text = (record: PatientRecord, detail: Detail) => detailText(t, lang, record.demographics, detail);
  const shown = DETAILS.filter((detail) => text(survivor, detail) || text(other, detail));
  const differs = (detail: Detail) => text(survivor, detail) !== text(other, detail);
  // What only one of them says stays, unless somebody chooses otherwise.
  const choice = (detail: Detail) => chosen[detail] ?? (text(survivor, detail) ? 'survivor' : 'other');
  const merged = Object.fromEntries(DETAILS.map((detail) => [detail, (choice(detail) === 'survivor' ? survivor : other).demographics[detail]])
    .filter(([, value]) => value !== undefined && value !== null)) as unknown as Demographics;

  const submit = async () => {
    if (busy) return;
    setBusy(true);
    setError(null);
    try {
      await post<PatientRecord>(`/patients/${survivor.patient_id}/merge`, {
        merged_id: other.patient_id, merged_version: other.version, version: survivor.version, demographics: merged,
      });
      void queries.invalidateQueries({ queryKey: ['patients'] });
      queries.removeQueries({ queryKey: ['patient'] });
      await navigate({ to: '/app/patients/$patientId', params: { patientId: survivor.patient_id } });
    } catch (problem) {
      setError(problem);
      setBusy(false);
      setAsking(false);
      // Somebody changed one of them: what is stored comes into view, what was chosen stays.
      void queries.invalidateQueries({ queryKey: ['patient'] });
    }
  };

  return (
    <div className={css.page}>
      <Link to="/app/patients/$patientId" params={{ patientId: records[0].patient_id }} className={css.back}><Icon name="left" /> {wholeName(records[0].demographics)}</Link>
      <header className={css.head}>
        <div><h1>{t('merge.title')}</h1><p className={css.quiet}>{t('merge.intro')}</p></div>
        <Button onClick={() => { setSwapped(!swapped); setChosen({}); }}>{t('merge.swap')}</Button>
      </header>
      <p role="status"><Pill>{t('merge.different', { n: shown.filter(differs).length })}</Pill></p>
      <table className={css.compare}>
        <thead><tr><th scope="col">{t('merge.field')}</th><th scope="col">{t('merge.survivor', { mrn: survivor.mrn })}</th><th scope="col">{t('merge.other', { mrn: other.mrn })}</th></tr></thead>
        <tbody>
          {shown.map((detail) => (
            <tr key={detail}>
              <th scope="row">{t(`who.${detail}`)}</th>
              {differs(detail)
                ? (['survivor', 'other'] as const).map((side) => {
                  const said = text(side === 'survivor' ? survivor : other, detail) || t('history.empty_value');
                  return (
                    <td key={side}>
                      <label className={css.pick} data-chosen={choice(detail) === side || undefined}>
                        <input type="radio" name={detail} checked={choice(detail) === side} aria-label={t('merge.take', { value: said })} onChange={() => setChosen({ ...chosen, [detail]: side })} />
                        <span>{said}</span>
                      </label>
                    </td>
                  );
                })
                : <td colSpan={2}><span>{text(survivor, detail)}</span> <span className={css.quiet}>{t('merge.same')}</span></td>}
            </tr>
          ))}
        </tbody>
      </table>
      {error !== null && <ErrorText>{problemText(t, error)}</ErrorText>}
      <div className={css.buttons}><Button kind="primary" large onClick={() => setAsking(true)}>{t('merge.submit')}</Button></div>
      {asking && (
        <Dialog title={t('merge.confirm')} onClose={() => setAsking(false)}
          actions={<><Button onClick={() => setAsking(false)}>{t('cancel')}</Button><Button kind="primary" busy={busy} onClick={() => void submit()}>{t('merge.submit')}</Button></>}>
          <p>{t('merge.confirm.body', { mrn: other.mrn, name: `${shownName(survivor.demographics)} (${survivor.mrn})` })}</p>
        </Dialog>
      )}
    </div>
  );
}
