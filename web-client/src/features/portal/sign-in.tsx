// In by a link from a mail: ask for it, use it (a button, so that a mail scanner that opens the page uses nothing up), and the
// code for those who have switched it on.

import { useState, type FormEvent } from 'react';
import { post, Problem } from '../../lib/api/client';
import { useText } from '../../lib/i18n/text';
import { Button, ErrorText, Notice, problemText, TextField } from '../../lib/ui';
import { PatientPage, type Clinic } from '../join/page';
import css from './portal.module.css';
import { go } from './place';

export function AskForLink({ clinic, expired }: { clinic: Clinic; expired: boolean }) {
  const { t, lang } = useText();
  const [email, setEmail] = useState('');
  const [sent, setSent] = useState('');
  const [error, setError] = useState('');
  const [busy, setBusy] = useState(false);
  const submit = async (event: FormEvent) => {
    event.preventDefault();
    const address = email.trim();
    if (!/^\S+@\S+$/.test(address)) {
      setError(t('portal.sign_in.error'));
      return;
    }
    setBusy(true);
    setError('');
    try {
      await post<undefined>('/portal/sign-in', { email: address, lang });
      setSent(address);
    } catch (problem) {
      setError(problemText(t, problem));
    }
    setBusy(false);
  };
  if (sent) {
    return (
      <PatientPage clinic={clinic} title={t('portal.sent.title')} lead={t('portal.sent.body', { email: sent })} next={t('portal.sent.next')}>
        <p>{t('portal.sent.none')}</p>
        <Button large wide onClick={() => setSent('')}>{t('portal.sent.other')}</Button>
      </PatientPage>
    );
  }
  return (
    <PatientPage clinic={clinic} title={t('portal.sign_in.title')} lead={t('portal.sign_in.lead')} next={t('portal.sign_in.next')}>
      {expired && <Notice tone="accent" live>{t('portal.sign_in.expired')}</Notice>}
      <form onSubmit={(event) => void submit(event)} noValidate className={css.form}>
        <TextField type="email" autoComplete="email" inputMode="email" label={t('portal.sign_in.email')} hint={t('portal.sign_in.hint')} value={email} onChange={(event) => setEmail(event.target.value)} error={error} />
        <Button type="submit" kind="primary" large wide busy={busy}>{t('portal.sign_in.submit')}</Button>
      </form>
    </PatientPage>
  );
}

/** The page that the link opens. The token stands after the number sign: it never leaves the browser but by the button. */
export function UseLink({ clinic, onIn }: { clinic: Clinic; onIn: () => void }) {
  const { t } = useText();
  const [token] = useState(() => location.hash.slice(1));
  const [step, setStep] = useState<'ready' | 'code' | 'unusable'>(token ? 'ready' : 'unusable');
  const [error, setError] = useState('');
  const [busy, setBusy] = useState(false);
  const use = async () => {
    setBusy(true);
    setError('');
    try {
      const { next } = await post<{ next: string }>('/portal/open', { token });
      history.replaceState(null, '', location.pathname);
      if (next === 'totp') setStep('code');
      else onIn();
    } catch (problem) {
      if (problem instanceof Problem && problem.status === 404) setStep('unusable');
      else setError(problemText(t, problem));
    }
    setBusy(false);
  };
  if (step === 'code') return <Code clinic={clinic} onIn={onIn} />;
  if (step === 'unusable') {
    return (
      <PatientPage clinic={clinic} title={t('portal.unusable.title')} lead={t('portal.unusable.body')}>
        <Button kind="primary" large wide onClick={() => go('/', true)}>{t('portal.unusable.again')}</Button>
      </PatientPage>
    );
  }
  return (
    <PatientPage clinic={clinic} title={t('portal.use.title')} lead={t('portal.use.lead')}>
      {error && <ErrorText>{error}</ErrorText>}
      <Button kind="primary" large wide busy={busy} onClick={() => void use()}>{t('continue')}</Button>
    </PatientPage>
  );
}

function Code({ clinic, onIn }: { clinic: Clinic; onIn: () => void }) {
  const { t } = useText();
  const [code, setCode] = useState('');
  const [error, setError] = useState('');
  const [busy, setBusy] = useState(false);
  const submit = async (event: FormEvent) => {
    event.preventDefault();
    if (code.length !== 6) {
      setError(t('portal.code.missing'));
      return;
    }
    setBusy(true);
    setError('');
    try {
      await post<undefined>('/portal/totp', { code });
      onIn();
    } catch (problem) {
      setError(codeProblem(problem) ?? problemText(t, problem));
    }
    setBusy(false);
  };
  const codeProblem = (problem: unknown) => {
    if (!(problem instanceof Problem)) return null;
    if (problem.code === 'portal.code_wrong') return t('portal.code.wrong');
    return problem.code === 'portal.code_locked' ? t('portal.code.locked') : null;
  };
  return (
    <PatientPage clinic={clinic} title={t('portal.code.title')} lead={t('portal.code.lead')}>
      <form onSubmit={(event) => void submit(event)} noValidate className={css.form}>
        <CodeField value={code} onChange={setCode} error={error} />
        <Button type="submit" kind="primary" large wide busy={busy}>{t('continue')}</Button>
      </form>
    </PatientPage>
  );
}

export function CodeField({ value, onChange, error }: { value: string; onChange: (code: string) => void; error: string }) {
  const { t } = useText();
  return <TextField inputMode="numeric" autoComplete="one-time-code" label={t('portal.code.label')} value={value} onChange={(event) => onChange(event.target.value.replace(/\D/g, '').slice(0, 6))} error={error} className={css.code} />;
}
