// Where a provider meets a patient for whom they have no care relationship: the record is closed, and this is the calm way
// in for an emergency. It asks for a reason (compliance reads it) and, by the server's answer, for the second factor again.

import { useQuery, useQueryClient } from '@tanstack/react-query';
import { useState, type FormEvent, type ReactNode } from 'react';
import { get, post, Problem } from '../../lib/api/client';
import type { PatientAccess } from '../../lib/api/types';
import { clockWithZone } from '../../lib/i18n/format';
import { useText } from '../../lib/i18n/text';
import { Button, Dialog, Empty, ErrorText, Failed, Loading, Notice, problemText, TextArea } from '../../lib/ui';

/** As the server counts: shorter reasons are refused. */
const MIN_REASON_CHARS = 15;

/** Shows `children` if the patient's record is open to this person; else says that it is closed and how to open it in an emergency. */
export function OpenRecord({ patientId, name, children }: { patientId: string; name: string; children: ReactNode }) {
  const { t, lang } = useText();
  const [asking, setAsking] = useState(false);
  const { data, error, refetch } = useQuery({
    queryKey: ['clinic', 'access', patientId],
    queryFn: ({ signal }) => get<PatientAccess>(`/patients/${patientId}/access`, { signal }),
  });
  if (!data) return error ? <Failed error={error} onRetry={() => void refetch()} /> : <Loading />;
  if (data.access === 'closed') {
    return (
      <>
        <Empty icon="lock" title={t('emergency.closed.title', { name })} action={<Button icon="lock" onClick={() => setAsking(true)}>{t('emergency.open')}</Button>}>
          {t('emergency.closed.body')}
        </Empty>
        {asking && <EmergencyAccessDialog patientId={patientId} name={name} onClose={() => setAsking(false)} onOpened={() => { setAsking(false); void refetch(); }} />}
      </>
    );
  }
  return (
    <>
      {data.access === 'emergency' && data.until && <Notice tone="warn" title={t('emergency.running', { time: clockWithZone(lang, data.until) })}>{t('emergency.running.body')}</Notice>}
      {children}
    </>
  );
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
      <form id="emergency-access" onSubmit={(event) => void submit(event)} noValidate>
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
