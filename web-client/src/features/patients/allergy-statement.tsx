// That there are no known allergies is something somebody said, not an empty list.

import { useState } from 'react';
import { call } from '../../lib/api/client';
import type { AllergyStatement as Statement } from '../../lib/api/types';
import { useText } from '../../lib/i18n/text';
import { Button, ErrorText, problemText } from '../../lib/ui';
import css from './patients.module.css';

export function AllergyStatement({ patientId, statement, mayWrite, onChanged }: { patientId: string; statement: Statement; mayWrite: boolean; onChanged: () => void }) {
  const { t } = useText();
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<unknown>(null);
  if (statement.known === 'listed') return null;
  const none = statement.known === 'none_known';
  const state = async () => {
    if (busy) return;
    setBusy(true);
    setError(null);
    try {
      await call(`/patients/${patientId}/allergies/none-known`, { method: 'PUT', ifMatch: `"${statement.version}"`, body: { none_known: !none } });
    } catch (problem) {
      setError(problem);
    }
    setBusy(false);
    onChanged();
  };
  return (
    <div className={css.statement}>
      <p>{none ? t('chart.allergies.none') : t('chart.allergies.ask')}</p>
      {mayWrite && <Button kind={none ? 'quiet' : 'plain'} busy={busy} onClick={() => void state()}>{none ? t('chart.allergies.withdraw') : t('chart.allergies.state_none')}</Button>}
      {error !== null && <ErrorText>{problemText(t, error)}</ErrorText>}
    </div>
  );
}
