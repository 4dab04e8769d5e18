// Sign-in by the clinic's own provider: a button for each, and what went wrong when one comes back without a session.

import { useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import { get, post, Problem } from '../../lib/api/client';
import { useText, type TextKey } from '../../lib/i18n/text';
import { Button, ErrorText, Notice, problemText } from '../../lib/ui';
import css from './sign-in.module.css';

const TROUBLE: readonly string[] = ['expired', 'refused', 'unavailable', 'untrusted', 'unverified_email', 'foreign_domain', 'no_account'];

export function SsoTrouble({ word }: { word: string | undefined }) {
  const { t } = useText();
  if (!word || !TROUBLE.includes(word)) return null;
  return <Notice tone="warn" live>{t(`sso.${word}` as TextKey)}</Notice>;
}

export function SsoButtons() {
  const { t } = useText();
  const providers = useQuery({ queryKey: ['sso'], queryFn: () => get<{ items: { id: string; label: string }[] }>('/auth/sso'), staleTime: Infinity }).data?.items ?? [];
  const [busy, setBusy] = useState('');
  const [error, setError] = useState('');
  const start = async (id: string) => {
    setBusy(id);
    setError('');
    try {
      const { location: to } = await post<{ location: string }>(`/auth/sso/${id}/start`);
      location.assign(to);
    } catch (problem) {
      setError(problem instanceof Problem && problem.code === 'sso.unavailable' ? t('sso.unavailable') : problemText(t, problem));
      setBusy('');
    }
  };
  if (providers.length === 0) return null;
  return (
    <div className={css.form}>
      <p className={css.quiet}>{t('sso.or')}</p>
      {providers.map(({ id, label }) => <Button key={id} large busy={busy === id} onClick={() => void start(id)}>{label}</Button>)}
      {error && <ErrorText>{error}</ErrorText>}
    </div>
  );
}
