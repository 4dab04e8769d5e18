// The whole record as a file, for the patient to keep.

import { useState } from 'react';
import { fetchFile } from '../../lib/api/client';
import { size } from '../../lib/i18n/format';
import { useText } from '../../lib/i18n/text';
import { Button, ErrorText, Notice, problemText } from '../../lib/ui';
import { Inner, type PageProps } from './page';

export function Export({ clinic, person }: PageProps) {
  const { t, lang } = useText();
  const [bytes, setBytes] = useState<number | null>(null);
  const [done, setDone] = useState(false);
  const [error, setError] = useState<unknown>(null);
  const take = async () => {
    if (bytes !== null) return;
    setError(null);
    setDone(false);
    setBytes(0);
    try {
      const file = await fetchFile(`/portal/patients/${person.patient_id}/export`, { method: 'POST', body: { lang, recordings: false } }, setBytes);
      const link = document.createElement('a');
      link.href = URL.createObjectURL(file);
      link.download = 'record.zip';
      link.click();
      setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
      setDone(true);
    } catch (problem) {
      setError(problem);
    }
    setBytes(null);
  };
  return (
    <Inner clinic={clinic} person={person} title={t('portal.export.title')} lead={t('portal.export.lead')}>
      <p>{t('portal.export.careful')}</p>
      <Button kind="primary" large wide busy={bytes !== null} onClick={() => void take()}>{t('portal.export.submit')}</Button>
      {bytes !== null && <p role="status">{t('export.working', { size: size(lang, bytes) })}</p>}
      {done && <Notice tone="accent" live>{t('export.done')}</Notice>}
      {error !== null && <ErrorText>{problemText(t, error)}</ErrorText>}
    </Inner>
  );
}
