// One form's way to the server: busy while it is on its way, and the right words if it fails.

import { useState } from 'react';
import { Problem } from '../../lib/api/client';
import { useText, type TextKey } from '../../lib/i18n/text';
import { problemText } from '../../lib/ui';
import { KeyCancelled } from '../../lib/webauthn';

export function useSubmit(known: Record<string, TextKey>) {
  const { t } = useText();
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState('');
  /** Does `work`, unless something is `wrong` with what was typed. Says whether it was done. */
  const run = async (wrong: string | null, work: () => Promise<void>): Promise<boolean> => {
    setError(wrong ?? '');
    if (wrong) return false;
    setBusy(true);
    try {
      await work();
      setBusy(false);
      return true;
    } catch (problem) {
      const key = problem instanceof KeyCancelled ? 'key.cancelled' : problem instanceof Problem ? known[problem.code] : undefined;
      setError(key ? t(key) : problemText(t, problem));
      setBusy(false);
      return false;
    }
  };
  return { busy, error, run };
}
