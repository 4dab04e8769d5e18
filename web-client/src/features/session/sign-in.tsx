// Staff sign-in: email and password, then a second factor: a code, a security key, or a recovery code. One form each.

import { useQueryClient } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { useEffect, useRef, useState, type FormEvent } from 'react';
import { call, post } from '../../lib/api/client';
import type { Me, NextFactor } from '../../lib/api/types';
import { useText } from '../../lib/i18n/text';
import { Button, ErrorText, Notice, TextField } from '../../lib/ui';
import { keysWork, signWithKey } from '../../lib/webauthn';
import { Enrol } from './enrol';
import { Frame, useSite } from './frame';
import { signedIn } from './session';
import { useSubmit } from './submit';
import css from './sign-in.module.css';
import { SsoButtons, SsoTrouble } from './sso';

type Step = 'password' | NextFactor['next'] | 'recovery';

/** `sso`: what came of a sign-in by the clinic's provider; after `second_factor`, one of `ssoFactors` comes next; after `enrol`, a new one is set up. */
export function SignIn({ expired, sso, ssoFactors = [], onSignedIn }: { expired: boolean; sso?: string | undefined; ssoFactors?: NextFactor['factors']; onSignedIn: (me: Me) => void }) {
  const { t } = useText();
  const queries = useQueryClient();
  const bySso = sso === 'second_factor' && ssoFactors.length > 0;
  const [step, setStep] = useState<Step>(sso === 'enrol' ? 'enrol' : !bySso ? 'password' : ssoFactors.includes('webauthn') && (keysWork() || !ssoFactors.includes('totp')) ? 'webauthn' : 'totp');
  const [factors, setFactors] = useState<NextFactor['factors']>(bySso ? ssoFactors : []);
  const site = useSite();
  const proceed = (next: NextFactor) => {
    setFactors(next.factors);
    // A key is asked for first, unless it can't be used at this address.
    setStep(next.next === 'webauthn' && !keysWork() && next.factors.includes('totp') ? 'totp' : next.next);
  };
  const enter = (me: Me) => {
    signedIn(queries, me);
    onSignedIn(me);
  };
  const others = (
    <div className={css.others}>
      {step === 'webauthn' && factors.includes('totp') && <Button kind="quiet" onClick={() => setStep('totp')}>{t('sign_in.use_code')}</Button>}
      {step !== 'webauthn' && factors.includes('webauthn') && keysWork() && <Button kind="quiet" onClick={() => setStep('webauthn')}>{t('sign_in.use_key')}</Button>}
      {step === 'recovery' && factors.includes('totp') && <Button kind="quiet" onClick={() => setStep('totp')}>{t('sign_in.use_code')}</Button>}
      {step !== 'recovery' && <Button kind="quiet" onClick={() => setStep('recovery')}>{t('sign_in.use_recovery')}</Button>}
      <Button kind="quiet" onClick={() => setStep('password')}>{t('sign_in.other')}</Button>
    </div>
  );
  if (step === 'enrol') return <Enrol onDone={enter} />;
  return (
    <Frame title={t('sign_in.title')}>
      {expired && step === 'password' && <Notice tone="accent" live>{t('sign_in.expired')}</Notice>}
      {step === 'password' && <SsoTrouble word={sso} />}
      {step === 'password' && <PasswordForm onNext={proceed} />}
      {step === 'password' && <SsoButtons />}
      {step === 'totp' && <CodeForm onEntered={enter} onEnrol={() => setStep('enrol')} />}
      {step === 'webauthn' && <KeyForm onEntered={enter} />}
      {step === 'recovery' && <RecoveryForm onEnrol={() => setStep('enrol')} />}
      {step !== 'password' && others}
      {site?.demo && <p className={css.quiet}>{t('sign_in.demo')}</p>}
    </Frame>
  );
}

function PasswordForm({ onNext }: { onNext: (next: NextFactor) => void }) {
  const { t } = useText();
  const [email, setEmail] = useState('');
  const [password, setPassword] = useState('');
  const { busy, error, run } = useSubmit({ 'sign_in.failed': 'sign_in.failed', 'sign_in.locked': 'sign_in.locked', 'sign_in.guarded': 'sign_in.guarded' });
  const submit = (event: FormEvent) => {
    event.preventDefault();
    void run(!email.trim() || !password ? t('sign_in.missing') : null, async () => {
      onNext(await post<NextFactor>('/auth/sign-in', { email: email.trim(), password }));
    });
  };
  return (
    <>
      <div><h1>{t('sign_in.title')}</h1><p className={css.quiet}>{t('sign_in.intro')}</p></div>
      <form onSubmit={submit} noValidate className={css.form}>
        <TextField type="email" autoComplete="username" autoFocus label={t('sign_in.email')} value={email} onChange={(event) => setEmail(event.target.value)} aria-invalid={error ? true : undefined} />
        <TextField type="password" autoComplete="current-password" label={t('sign_in.password')} value={password} onChange={(event) => setPassword(event.target.value)} aria-invalid={error ? true : undefined} />
        {error && <ErrorText>{error}</ErrorText>}
        <Button type="submit" kind="primary" large busy={busy}>{t('sign_in.submit')}</Button>
      </form>
      <Link to="/forgot" className={css.link}>{t('sign_in.forgot')}</Link>
    </>
  );
}

function CodeForm({ onEntered, onEnrol }: { onEntered: (me: Me) => void; onEnrol: () => void }) {
  const { t } = useText();
  const [code, setCode] = useState('');
  const field = useRef<HTMLFormElement>(null);
  const { busy, error, run } = useSubmit({ 'totp.failed': 'sign_in.code.failed', 'sign_in.locked': 'sign_in.locked' });
  useEffect(() => {
    field.current?.querySelector('input')?.focus();
  }, []);
  const submit = (event: FormEvent) => {
    event.preventDefault();
    void run(code.length === 6 ? null : t('sign_in.code.missing'), async () => {
      const { body } = await call<Me | NextFactor>('/auth/totp', { method: 'POST', body: { code } });
      // Right, but not enough for this role: a security key has to be set up first.
      if ('next' in body) onEnrol();
      else onEntered(body);
    });
  };
  return (
    <>
      <div><h1>{t('sign_in.code.title')}</h1><p className={css.quiet}>{t('sign_in.code.intro')}</p></div>
      <form ref={field} onSubmit={submit} noValidate className={css.form}>
        <TextField inputMode="numeric" autoComplete="one-time-code" className={css.code} label={t('sign_in.code.label')} value={code} onChange={(event) => setCode(event.target.value.replace(/\D/g, '').slice(0, 6))} error={error} />
        <Button type="submit" kind="primary" large busy={busy}>{t('continue')}</Button>
      </form>
    </>
  );
}

function KeyForm({ onEntered }: { onEntered: (me: Me) => void }) {
  const { t } = useText();
  const { busy, error, run } = useSubmit({ 'second_factor.failed': 'key.failed', 'sign_in.locked': 'sign_in.locked' });
  const press = () => void run(keysWork() ? null : t('key.not_here'), async () => {
    const options = await post<unknown>('/auth/webauthn/options');
    onEntered(await post<Me>('/auth/webauthn', { answer: await signWithKey(options) }));
  });
  return (
    <>
      <div><h1>{t('key.sign_in.title')}</h1><p className={css.quiet}>{t('key.sign_in.intro')}</p></div>
      {error && <ErrorText>{error}</ErrorText>}
      <Button kind="primary" large icon="lock" busy={busy} autoFocus onClick={press}>{t('key.use')}</Button>
    </>
  );
}

function RecoveryForm({ onEnrol }: { onEnrol: () => void }) {
  const { t } = useText();
  const [code, setCode] = useState('');
  const { busy, error, run } = useSubmit({ 'recovery.failed': 'recovery.failed', 'sign_in.locked': 'sign_in.locked' });
  const submit = (event: FormEvent) => {
    event.preventDefault();
    void run(code.trim() ? null : t('recovery.missing'), async () => {
      await post<NextFactor>('/auth/recovery', { code });
      onEnrol();
    });
  };
  return (
    <>
      <div><h1>{t('recovery.title')}</h1><p className={css.quiet}>{t('recovery.intro')}</p></div>
      <form onSubmit={submit} noValidate className={css.form}>
        <TextField autoFocus autoComplete="off" spellCheck={false} label={t('recovery.label')} value={code} onChange={(event) => setCode(event.target.value)} error={error} />
        <Button type="submit" kind="primary" large busy={busy}>{t('continue')}</Button>
      </form>
    </>
  );
}
