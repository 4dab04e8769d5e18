// An invitation's link: who invites whom, a password, then the second factor.

import { useQuery, useQueryClient } from '@tanstack/react-query';
import { useState, type FormEvent } from 'react';
import { post, Problem } from '../../lib/api/client';
import type { InvitationPage, Me } from '../../lib/api/types';
import { useText, type TextKey } from '../../lib/i18n/text';
import { Button, Empty, ErrorText, Failed, Loading, TextField } from '../../lib/ui';
import { Enrol } from './enrol';
import { Frame } from './frame';
import { signedIn } from './session';
import { useSubmit } from './submit';
import css from './sign-in.module.css';

/** What the server says about a password that it does not take. */
export const PASSWORD_RULES: Record<string, TextKey> = {
  'password.short': 'password.short',
  'password.long': 'password.long',
  'password.like_account': 'password.like_account',
  'password.breached': 'password.breached',
};

export function Invitation({ token, onSignedIn }: { token: string; onSignedIn: (me: Me) => void }) {
  const { t } = useText();
  const queries = useQueryClient();
  const [accepted, setAccepted] = useState(false);
  const { data, error, refetch } = useQuery({ queryKey: ['invitation', token], queryFn: () => post<InvitationPage>('/invitation/open', { token }), retry: false, staleTime: Infinity });
  if (accepted) {
    const enter = (me: Me) => {
      signedIn(queries, me);
      onSignedIn(me);
    };
    return <Enrol onDone={enter} />;
  }
  if (!data) {
    return (
      <Frame title={t('sign_in.title')}>
        {error instanceof Problem && error.code === 'link.not_usable' ? <UnusableLink /> : error ? <Failed error={error} onRetry={() => void refetch()} /> : <Loading />}
      </Frame>
    );
  }
  const accept = async (password: string) => {
    await post('/invitation/accept', { token, password });
    setAccepted(true);
  };
  const title = t('invitation.title', { name: data.name });
  return (
    <Frame title={title}>
      <div>
        <h1>{title}</h1>
        <p className={css.quiet}>{t('invitation.intro', { clinic: data.clinic, role: t(`role.${data.role}`), email: data.email })}</p>
      </div>
      <NewPasswordForm email={data.email} submit={accept} />
      <p className={css.quiet}>{t('invitation.next')}</p>
    </Frame>
  );
}

export function UnusableLink() {
  const { t } = useText();
  return <Empty alone icon="link" title={t('staff_link.unusable.title')}>{t('staff_link.unusable.body')}</Empty>;
}

/** A new password, twice. */
export function NewPasswordForm({ email, submit }: { email?: string; submit: (password: string) => Promise<void> }) {
  const { t } = useText();
  const [password, setPassword] = useState('');
  const [again, setAgain] = useState('');
  const { busy, error, run } = useSubmit(PASSWORD_RULES);
  const send = (event: FormEvent) => {
    event.preventDefault();
    void run(checkPair(password, again, t), () => submit(password));
  };
  return (
    <form onSubmit={send} noValidate className={css.form}>
      {email && <input type="email" autoComplete="username" value={email} readOnly hidden />}
      <TextField type="password" autoComplete="new-password" autoFocus label={t('password.new')} hint={t('password.hint')} value={password} onChange={(event) => setPassword(event.target.value)} />
      <TextField type="password" autoComplete="new-password" label={t('password.again')} value={again} onChange={(event) => setAgain(event.target.value)} />
      {error && <ErrorText>{error}</ErrorText>}
      <Button type="submit" kind="primary" large busy={busy}>{t('continue')}</Button>
    </form>
  );
}

/** What is wrong with the two fields of a new password, before the server is asked. */
export function checkPair(password: string, again: string, t: (key: TextKey) => string): string | null {
  if (!password || !again) return t('password.missing');
  return password === again ? null : t('password.mismatch');
}
