// The second factor again, for what is sensitive. Any request that the server refuses for a stale factor brings this
// dialog up by itself, and is repeated once the factor was given.

import { useQuery } from '@tanstack/react-query';
import { useEffect, useState, useSyncExternalStore, type FormEvent } from 'react';
import { onStaleFactor, post, Problem } from '../../lib/api/client';
import type { WaysToConfirm } from '../../lib/api/types';
import { useText } from '../../lib/i18n/text';
import { Store } from '../../lib/store';
import { Button, Dialog, ErrorText, Failed, Loading, problemText, TextField } from '../../lib/ui';
import { KeyCancelled, keysWork, signWithKey } from '../../lib/webauthn';
import css from './sign-in.module.css';

interface Question { answer: (given: boolean) => void; given: Promise<boolean> }

const question = new Store<Question | null>(null);

/** Asks once, however many requests wait for it. */
export function confirmFactor(): Promise<boolean> {
  const asked = question.get();
  if (asked) return asked.given;
  let answer: (given: boolean) => void = () => undefined;
  const given = new Promise<boolean>((resolve) => {
    answer = (value) => {
      question.set(null);
      resolve(value);
    };
  });
  question.set({ answer, given });
  return given;
}

/** Stands in the frame of every staff page; shows itself when asked. */
export function ConfirmFactor() {
  const asked = useSyncExternalStore(question.subscribe, question.get);
  useEffect(() => {
    onStaleFactor(confirmFactor);
    return () => {
      onStaleFactor(() => Promise.resolve(false));
      question.get()?.answer(false);
    };
  }, []);
  return asked && <ConfirmDialog answer={asked.answer} />;
}

function ConfirmDialog({ answer }: { answer: (given: boolean) => void }) {
  const { t } = useText();
  const ways = useQuery({ queryKey: ['confirm'], queryFn: () => post<WaysToConfirm>('/auth/confirm/options'), gcTime: 0, staleTime: 0 });
  const [code, setCode] = useState('');
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState('');
  const byKey = Boolean(ways.data?.webauthn) && keysWork();
  const byCode = ways.data?.factors.includes('totp') ?? false;

  const give = async (work: () => Promise<void>) => {
    setBusy(true);
    setError('');
    try {
      await work();
      answer(true);
    } catch (problem) {
      const wrong = problem instanceof Problem && (problem.code === 'totp.failed' || problem.code === 'second_factor.failed');
      setError(problem instanceof KeyCancelled ? t('key.cancelled') : wrong ? t(problem.code === 'totp.failed' ? 'sign_in.code.failed' : 'key.failed') : problemText(t, problem));
      // A challenge is good for one answer.
      if (byKey) void ways.refetch();
    }
    setBusy(false);
  };
  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (code.length !== 6) setError(t('sign_in.code.missing'));
    else void give(() => post('/auth/confirm', { code }));
  };
  const press = () => void give(async () => post('/auth/confirm', { answer: await signWithKey(ways.data?.webauthn) }));

  return (
    <Dialog
      title={t('confirm.title')}
      onClose={() => answer(false)}
      actions={<><Button onClick={() => answer(false)}>{t('cancel')}</Button>{byCode && <Button type="submit" form="confirm" kind={byKey ? 'plain' : 'primary'} busy={busy}>{t('confirm.submit')}</Button>}</>}
    >
      <p>{t('confirm.body')}</p>
      {!ways.data && (ways.error ? <Failed error={ways.error} onRetry={() => void ways.refetch()} /> : <Loading />)}
      {byKey && <Button kind="primary" icon="lock" busy={busy} onClick={press}>{t('key.use')}</Button>}
      {byCode && (
        <form id="confirm" onSubmit={submit} noValidate>
          <TextField inputMode="numeric" autoComplete="one-time-code" autoFocus={!byKey} className={css.code} label={t('sign_in.code.label')} value={code} onChange={(event) => setCode(event.target.value.replace(/\D/g, '').slice(0, 6))} />
        </form>
      )}
      {ways.data && !byKey && !byCode && <p>{t('key.not_here')}</p>}
      {error && <ErrorText>{error}</ErrorText>}
    </Dialog>
  );
}
