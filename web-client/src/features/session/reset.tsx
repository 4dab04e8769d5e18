// A forgotten password: asking for a link, and the page that the link opens.

import { Link } from '@tanstack/react-router';
import { useState, type FormEvent } from 'react';
import { post, Problem } from '../../lib/api/client';
import { useText } from '../../lib/i18n/text';
import { Button, buttonLook, TextField } from '../../lib/ui';
import { Frame } from './frame';
import { NewPasswordForm, UnusableLink } from './invitation';
import { useSubmit } from './submit';
import css from './sign-in.module.css';

export function AskReset() {
  const { t } = useText();
  const [email, setEmail] = useState('');
  const [asked, setAsked] = useState(false);
  const { busy, error, run } = useSubmit({});
  const submit = (event: FormEvent) => {
    event.preventDefault();
    void run(email.trim() ? null : t('reset.ask.missing'), async () => {
      await post('/auth/password-reset', { email: email.trim() });
      setAsked(true);
    });
  };
  if (asked) return <Said title={t('reset.asked.title')} body={t('reset.asked.body', { email: email.trim() })} />;
  return (
    <Frame title={t('reset.ask.title')}>
      <div><h1>{t('reset.ask.title')}</h1><p className={css.quiet}>{t('reset.ask.intro')}</p></div>
      <form onSubmit={submit} noValidate className={css.form}>
        <TextField type="email" autoComplete="username" autoFocus label={t('sign_in.email')} value={email} onChange={(event) => setEmail(event.target.value)} error={error} />
        <Button type="submit" kind="primary" large busy={busy}>{t('reset.ask.submit')}</Button>
      </form>
      <Link to="/" className={css.link}>{t('reset.to_sign_in')}</Link>
    </Frame>
  );
}

export function Reset({ token }: { token: string }) {
  const { t } = useText();
  const [state, setState] = useState<'open' | 'done' | 'unusable'>('open');
  if (state === 'done') return <Said title={t('reset.done.title')} body={t('reset.done.body')} />;
  if (state === 'unusable') return <Frame title={t('staff_link.unusable.title')}><UnusableLink /></Frame>;
  const submit = async (password: string) => {
    try {
      await post('/auth/password-reset/complete', { token, password });
      setState('done');
    } catch (error) {
      if (!(error instanceof Problem) || error.code !== 'link.not_usable') throw error;
      setState('unusable');
    }
  };
  return (
    <Frame title={t('reset.title')}>
      <div><h1>{t('reset.title')}</h1><p className={css.quiet}>{t('reset.intro')}</p></div>
      <NewPasswordForm submit={submit} />
    </Frame>
  );
}

function Said({ title, body }: { title: string; body: string }) {
  const { t } = useText();
  return (
    <Frame title={title}>
      <div role="status"><h1>{title}</h1><p className={css.quiet}>{body}</p></div>
      <Link to="/" className={buttonLook('primary', true)}>{t('reset.to_sign_in')}</Link>
    </Frame>
  );
}
