// Marking an entry as entered in error, and taking that back.

import { useState, type FormEvent } from 'react';
import { call } from '../../lib/api/client';
import { useText } from '../../lib/i18n/text';
import { Button, Dialog, ErrorText, problemText, TextArea } from '../../lib/ui';
import { titleOf, type Line } from './lists';
import css from './patients.module.css';

export function MarkDialog({ patientId, line, onClose, onDone }: { patientId: string; line: Line; onClose: () => void; onDone: () => void }) {
  const { t } = useText();
  const [reason, setReason] = useState('');
  const [tried, setTried] = useState(false);
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<unknown>(null);
  const marking = !line.inError;
  const submit = async (event: FormEvent) => {
    event.preventDefault();
    setTried(true);
    setError(null);
    if (busy || (marking && !reason.trim())) return;
    setBusy(true);
    try {
      const where = line.list === 'coverage' ? 'insurance' : 'clinical';
      await call(`/patients/${patientId}/${where}/${line.id}/error`, {
        method: 'PUT', ifMatch: `"${line.version}"`, body: { entered_in_error: marking, ...(reason.trim() ? { reason: reason.trim() } : {}) },
      });
      onDone();
    } catch (problem) {
      setError(problem);
      setBusy(false);
    }
  };
  return (
    <Dialog
      title={marking ? t('mark.title') : t('restore.title')}
      onClose={onClose}
      actions={<><Button onClick={onClose}>{t('cancel')}</Button><Button type="submit" form="mark" kind={marking ? 'danger' : 'primary'} busy={busy}>{marking ? t('mark.submit') : t('restore.submit')}</Button></>}
    >
      <p><strong>{titleOf(line)}</strong></p>
      {marking && <p>{t('mark.body')}</p>}
      <form id="mark" noValidate onSubmit={(event) => void submit(event)} className={css.form}>
        {marking && <TextArea label={t('mark.reason')} rows={3} maxLength={2000} value={reason} autoFocus error={tried && !reason.trim() && t('form.missing')} onChange={(event) => setReason(event.target.value)} />}
        {error !== null && <ErrorText>{problemText(t, error)}</ErrorText>}
      </form>
    </Dialog>
  );
}
