// A new e-mail address: the page that its link leads to. Pressing the button confirms it, opening the page does nothing.

import { useState } from 'react';
import { post, Problem } from '../../lib/api/client';
import { useText } from '../../lib/i18n/text';
import { Button, ErrorText, problemText } from '../../lib/ui';
import { PatientPage, type Clinic } from '../join/page';
import { go } from './place';

export function ConfirmEmail({ clinic }: { clinic: Clinic }) {
  const { t } = useText();
  const [token] = useState(() => location.hash.slice(1));
  const [step, setStep] = useState<'ask' | 'done' | 'unusable'>('ask');
  const [error, setError] = useState('');
  const [busy, setBusy] = useState(false);
  const confirm = async () => {
    setBusy(true);
    setError('');
    try {
      await post<undefined>('/portal/email/confirm', { token });
      history.replaceState(null, '', location.pathname);
      setStep('done');
    } catch (problem) {
      if (problem instanceof Problem && problem.status === 404) setStep('unusable');
      else setError(problemText(t, problem));
    }
    setBusy(false);
  };
  if (step === 'ask') {
    return (
      <PatientPage clinic={clinic} title={t('portal.email.title')} lead={t('portal.email.lead')}>
        {error && <ErrorText>{error}</ErrorText>}
        <Button kind="primary" large wide busy={busy} onClick={() => void confirm()}>{t('continue')}</Button>
      </PatientPage>
    );
  }
  return (
    <PatientPage clinic={clinic} title={t(step === 'done' ? 'portal.email.done' : 'portal.unusable.title')} lead={t(step === 'done' ? 'portal.email.done.lead' : 'portal.email.unusable')}>
      <Button kind="primary" large wide onClick={() => go('/', true)}>{t('portal.email.home')}</Button>
    </PatientPage>
  );
}
