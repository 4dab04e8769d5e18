// The whole record as a file. Nothing of it is kept on the server: it is made while it is sent.

import { useRef, useState, type FormEvent } from 'react';
import { fetchFile } from '../../lib/api/client';
import { size } from '../../lib/i18n/format';
import { LANGS, useText, type Lang } from '../../lib/i18n/text';
import { Button, Dialog, ErrorText, problemText, SelectField } from '../../lib/ui';
import css from './patients.module.css';

export function ExportDialog({ patientId, mrn, onClose }: { patientId: string; mrn: string; onClose: () => void }) {
  const { t, lang } = useText();
  const [of, setOf] = useState<Lang>(lang);
  const [recordings, setRecordings] = useState(false);
  const [bytes, setBytes] = useState<number | null>(null);
  const [done, setDone] = useState(false);
  const [error, setError] = useState<unknown>(null);
  const stop = useRef<AbortController | null>(null);
  const close = () => {
    stop.current?.abort();
    onClose();
  };
  const submit = async (event: FormEvent) => {
    event.preventDefault();
    if (bytes !== null) return;
    setError(null);
    setBytes(0);
    stop.current = new AbortController();
    try {
      const file = await fetchFile(`/patients/${patientId}/export`, { method: 'POST', body: { lang: of, recordings }, signal: stop.current.signal }, setBytes);
      const link = document.createElement('a');
      link.href = URL.createObjectURL(file);
      link.download = `${mrn}.zip`;
      link.click();
      setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
      setDone(true);
    } catch (problem) {
      if (!stop.current.signal.aborted) setError(problem);
      setBytes(null);
    }
  };
  const working = bytes !== null && !done;
  return (
    <Dialog title={t('export.title')} onClose={close}
      actions={done
        ? <Button kind="primary" onClick={onClose}>{t('close')}</Button>
        : <><Button onClick={close}>{t('cancel')}</Button><Button type="submit" form="export" kind="primary" busy={working}>{t('export.submit')}</Button></>}>
      {done ? <p role="status">{t('export.done')}</p> : (
        <form id="export" onSubmit={(event) => void submit(event)} className={css.form}>
          <p>{t('export.body')}</p>
          <SelectField label={t('export.language')} value={of} disabled={working} onChange={(event) => setOf(event.target.value as Lang)}>
            {LANGS.map((one) => <option key={one} value={one}>{t(`language.${one}`)}</option>)}
          </SelectField>
          <div className={css.check}>
            <input id="export-recordings" type="checkbox" checked={recordings} disabled={working} onChange={(event) => setRecordings(event.target.checked)} />
            <label htmlFor="export-recordings">{t('export.recordings')}</label>
          </div>
          {working && <p role="status">{t('export.working', { size: size(lang, bytes) })}</p>}
          {error !== null && <ErrorText>{problemText(t, error)}</ErrorText>}
        </form>
      )}
    </Dialog>
  );
}
