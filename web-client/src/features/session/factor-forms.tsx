// Adding a second factor: the same two forms before one is in and on the account page, and the recovery codes.

import { useQuery } from '@tanstack/react-query';
import { useId, useState, type FormEvent } from 'react';
import type { TotpSecret } from '../../lib/api/types';
import { useText } from '../../lib/i18n/text';
import { Button, ErrorText, Failed, Loading, TextField } from '../../lib/ui';
import { makeKey } from '../../lib/webauthn';
import { useSubmit } from './submit';
import css from './factor-forms.module.css';

/** Shows a new secret and takes the first code of it. */
export function AppForm({ begin, confirm }: { begin: () => Promise<TotpSecret>; confirm: (factor: string, code: string) => Promise<void> }) {
  const { t } = useText();
  const shown = useId();
  // One secret for each time that this form is shown: a new one makes the former one worthless.
  const { data: secret, error: failed, refetch } = useQuery({ queryKey: ['new-app', shown], queryFn: begin, gcTime: 0, staleTime: Infinity, retry: false, refetchOnWindowFocus: false, refetchOnReconnect: false });
  const [code, setCode] = useState('');
  const { busy, error, run } = useSubmit({ 'totp.wrong': 'app.code.wrong' });
  if (!secret) return failed ? <Failed error={failed} onRetry={() => void refetch()} /> : <Loading />;
  const submit = (event: FormEvent) => {
    event.preventDefault();
    void run(code.length === 6 ? null : t('sign_in.code.missing'), () => confirm(secret.factor_id, code));
  };
  return (
    <form onSubmit={submit} noValidate className={css.form}>
      <p>{t('app.scan')}</p>
      <svg role="img" aria-label={t('app.qr')} viewBox={`0 0 ${secret.qr.size} ${secret.qr.size}`} className={css.qr} shapeRendering="crispEdges"><path d={secret.qr.path} /></svg>
      <p className={css.secret}><span>{t('app.secret')}</span> <code>{secret.secret.replace(/(.{4})(?=.)/g, '$1 ')}</code></p>
      <TextField inputMode="numeric" autoComplete="one-time-code" className={css.code} label={t('app.code')} value={code} onChange={(event) => setCode(event.target.value.replace(/\D/g, '').slice(0, 6))} error={error} />
      <Button type="submit" kind="primary" large busy={busy}>{t('app.confirm')}</Button>
    </form>
  );
}

/** Names a new key and has the browser make it. */
export function KeyForm({ options, register }: { options: () => Promise<unknown>; register: (name: string, answer: unknown) => Promise<void> }) {
  const { t } = useText();
  const [name, setName] = useState(t('key.default_name'));
  const { busy, error, run } = useSubmit({ 'webauthn.refused': 'key.refused' });
  const submit = (event: FormEvent) => {
    event.preventDefault();
    void run(name.trim() ? null : t('key.name.missing'), async () => register(name.trim(), await makeKey(await options())));
  };
  return (
    <form onSubmit={submit} noValidate className={css.form}>
      <p>{t('key.intro')}</p>
      <TextField label={t('key.name')} maxLength={60} value={name} onChange={(event) => setName(event.target.value)} />
      {error && <ErrorText>{error}</ErrorText>}
      <Button type="submit" kind="primary" large icon="lock" busy={busy}>{t('key.add')}</Button>
    </form>
  );
}

/** Shows recovery codes, this once. */
export function CodeList({ codes }: { codes: string[] }) {
  const { t } = useText();
  const [copied, setCopied] = useState(false);
  const copy = () => void navigator.clipboard.writeText(codes.join('\n')).then(() => setCopied(true), () => setCopied(false));
  return (
    <>
      <ol className={css.codes} aria-label={t('codes.list')}>{codes.map((code) => <li key={code}><code>{code}</code></li>)}</ol>
      <p role="status" className={css.copy}><Button icon={copied ? 'check' : 'link'} onClick={copy}>{copied ? t('codes.copied') : t('codes.copy')}</Button></p>
    </>
  );
}
