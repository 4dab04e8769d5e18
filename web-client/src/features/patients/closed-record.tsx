// Where a provider meets a patient for whom they have no care relationship: the record is closed, and this is the calm way
// in for an emergency. It asks for a reason (compliance reads it) and, by the server's answer, for the second factor again.

import { useQuery, useQueryClient } from '@tanstack/react-query';
import { useState, type FormEvent } from 'react';
import { post, Problem } from '../../lib/api/client';
import { reading } from '../../lib/api/refetch';
import type { PatientAccess } from '../../lib/api/types';
import { clockWithZone } from '../../lib/i18n/format';
import { useText } from '../../lib/i18n/text';
import { Button, Dialog, ErrorText, Notice, problemText, TextArea } from '../../lib/ui';
import css from './patients.module.css';

/** As the server counts: shorter reasons are refused. */
const MIN_REASON_CHARS = 15;

/** The way in for who does not care for the patient. */
export function EmergencyWayIn({ patientId, name, onOpened }: { patientId: string; name: string; onOpened: () => void }) {
  const { t } = useText();
  const [asking, setAsking] = useState(false);
  return (
    <>
      <p>{t('emergency.closed.body')}</p>
      <Button icon="lock" onClick={() => setAsking(true)}>{t('emergency.open')}</Button>
      {asking && <EmergencyAccessDialog patientId={patientId} name={name} onClose={() => setAsking(false)} onOpened={() => { setAsking(false); onOpened(); }} />}
    </>
  );
}

/** Says for how long the record is open in an emergency, if it is. */
export function EmergencyNotice({ patientId }: { patientId: string }) {
  const { t, lang } = useText();
  const { data } = useQuery({ queryKey: ['patient', patientId, 'access'], queryFn: reading<PatientAccess>(`/patients/${patientId}/access`) });
  if (data?.access !== 'emergency' || !data.until) return null;
  return <Notice tone="warn" title={t('emergency.running', { time: clockWithZone(lang, data.until) })}>{t('emergency.running.body')}</Notice>;
}

export function EmergencyAccessDialog({ patientId, name, onClose, onOpened }: { patientId: string; name: string; onClose: () => void; onOpened: () => void }) {
  const { t } = useText();
  const queries = useQueryClient();
  const [reason, setReason] = useState('');
  const [tried, setTried] = useState(false);
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState('');
  const tooShort = reason.replace(/\s/g, '').length < MIN_REASON_CHARS;
  const submit = async (event: FormEvent) => {
    event.preventDefault();
    setTried(true);
    if (tooShort || busy) return;
    setBusy(true);
    setError('');
    try {
      await post(`/patients/${patientId}/emergency-access`, { reason: reason.trim() });
      await queries.invalidateQueries({ queryKey: ['clinic'] });
      await queries.invalidateQueries({ queryKey: ['patient', patientId] });
      onOpened();
    } catch (problem) {
      setError(problem instanceof Problem && problem.code === 'second_factor.stale' ? t('emergency.stale') : problemText(t, problem));
    }
    setBusy(false);
  };
  return (
    <Dialog
      title={t('emergency.title', { name })}
      onClose={onClose}
      actions={
        <>
          <Button onClick={onClose}>{t('cancel')}</Button>
          <Button kind="primary" type="submit" form="emergency-access" busy={busy}>{t('emergency.confirm')}</Button>
        </>
      }
    >
      <form id="emergency-access" className={css.form} onSubmit={(event) => void submit(event)} noValidate>
        <p>{t('emergency.intro')}</p>
        <TextArea
          label={t('emergency.reason')} hint={t('emergency.reason.hint')} value={reason} rows={4} maxLength={2000} required autoFocus
          onChange={(event) => setReason(event.target.value)} error={tried && tooShort && t('emergency.reason.short')}
        />
        {error && <ErrorText>{error}</ErrorText>}
      </form>
    </Dialog>
  );
}
