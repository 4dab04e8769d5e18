// Takes the log out of the house as signed lines. Needs a fresh second factor; the server logs it before the first byte.

import { useState } from 'react';
import { download, query } from '../../lib/api/client';
import { useText } from '../../lib/i18n/text';
import { Button, ErrorText, problemText } from '../../lib/ui';
import css from './audit.module.css';
import { instant } from './words';

export function ExportButton({ from, to }: { from: string; to: string }) {
  const { t } = useText();
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState('');
  const start = async () => {
    setBusy(true);
    setError('');
    try {
      await download(`/audit/export${query({ from: instant(from), to: instant(to) })}`, 'audit.jsonl');
    } catch (problem) {
      setError(problemText(t, problem));
    }
    setBusy(false);
  };
  return (
    <div className={css.export}>
      <Button busy={busy} onClick={() => void start()}>{t('audit.export')}</Button>
      <p className={css.quiet}>{t('audit.export.hint')}</p>
      {error && <ErrorText>{error}</ErrorText>}
    </div>
  );
}
