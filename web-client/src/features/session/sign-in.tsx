// Staff sign-in: email and password, then the code. Two steps, one form each.

import { useQuery, useQueryClient } from '@tanstack/react-query';
import { useEffect, useRef, useState, type FormEvent } from 'react';
import { get, post, Problem } from '../../lib/api/client';
import type { Me, Site } from '../../lib/api/types';
import { useText, type TextKey } from '../../lib/i18n/text';
import { Button, ErrorText, LanguageSwitch, Notice, problemText, TextField } from '../../lib/ui';
import { useTitle } from '../../lib/ui/now';
import { signedIn } from './session';
import css from './sign-in.module.css';

export function SignIn({ expired, onSignedIn }: { expired: boolean; onSignedIn: (me: Me) => void }) {
  const { t } = useText();
  const [atCode, setAtCode] = useState(false);
  const site = useQuery({ queryKey: ['site'], queryFn: () => get<Site>('/site'), staleTime: Infinity }).data;
  useTitle(`${t('sign_in.title')} · ${site?.name ?? 'Bedside'}`);
  return (
    <div className={css.page}>
      <header className={css.header}><p className={css.brand}><img src="/favicon.svg" alt="" width={32} height={32} /> Bedside</p><LanguageSwitch /></header>
      <main className={css.main}>
        {site && <p className={css.site}>{site.name}</p>}
        {expired && !atCode && <Notice tone="accent" live>{t('sign_in.expired')}</Notice>}
        {atCode ? <CodeForm onSignedIn={onSignedIn} onBack={() => setAtCode(false)} /> : <PasswordForm onNext={() => setAtCode(true)} />}
        {site?.demo && <p className={css.quiet}>{t('sign_in.demo')}</p>}
      </main>
    </div>
  );
}

function PasswordForm({ onNext }: { onNext: () => void }) {
  const { t } = useText();
  const [email, setEmail] = useState('');
  const [password, setPassword] = useState('');
  const { busy, error, run } = useSubmit({ 'sign_in.failed': 'sign_in.failed', 'sign_in.locked': 'sign_in.locked' });
  const submit = (event: FormEvent) => {
    event.preventDefault();
    void run(!email.trim() || !password ? t('sign_in.missing') : null, async () => {
      await post('/auth/sign-in', { email: email.trim(), password });
      onNext();
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
    </>
  );
}

function CodeForm({ onSignedIn, onBack }: { onSignedIn: (me: Me) => void; onBack: () => void }) {
  const { t } = useText();
  const queries = useQueryClient();
  const [code, setCode] = useState('');
  const field = useRef<HTMLFormElement>(null);
  const { busy, error, run } = useSubmit({ 'totp.failed': 'sign_in.code.failed' });
  useEffect(() => {
    field.current?.querySelector('input')?.focus();
  }, []);
  const submit = (event: FormEvent) => {
    event.preventDefault();
    void run(code.length === 6 ? null : t('sign_in.code.missing'), async () => {
      const me = await post<Me>('/auth/totp', { code });
      signedIn(queries, me);
      onSignedIn(me);
    });
  };
  return (
    <>
      <div><h1>{t('sign_in.code.title')}</h1><p className={css.quiet}>{t('sign_in.code.intro')}</p></div>
      <form ref={field} onSubmit={submit} noValidate className={css.form}>
        <TextField inputMode="numeric" autoComplete="one-time-code" className={css.code} label={t('sign_in.code.label')} value={code} onChange={(event) => setCode(event.target.value.replace(/\D/g, '').slice(0, 6))} error={error} />
        <Button type="submit" kind="primary" large busy={busy}>{t('continue')}</Button>
        <Button kind="quiet" onClick={onBack}>{t('sign_in.other')}</Button>
      </form>
    </>
  );
}

function useSubmit(known: Record<string, TextKey>) {
  const { t } = useText();
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState('');
  const run = async (wrong: string | null, work: () => Promise<void>) => {
    setError(wrong ?? '');
    if (wrong) return;
    setBusy(true);
    try {
      await work();
    } catch (problem) {
      const key = problem instanceof Problem ? known[problem.code] : undefined;
      setError(key ? t(key) : problemText(t, problem));
    }
    setBusy(false);
  };
  return { busy, error, run };
}
