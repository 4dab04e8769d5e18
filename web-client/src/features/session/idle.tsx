// Automatic logoff after 15 minutes without a person: a notice before it, and a way to stay. A call counts as activity.

import { useQueryClient } from '@tanstack/react-query';
import { useEffect, useRef, useState } from 'react';
import { get } from '../../lib/api/client';
import { Store } from '../../lib/store';
import { useText } from '../../lib/i18n/text';
import { Button, Dialog } from '../../lib/ui';
import { signOut } from './session';

const IDLE_MS = 15 * 60_000;
const NOTICE_MS = 2 * 60_000;
const TELL_SERVER_EVERY_MS = 60_000;

const calls = new Store(0);

/** While a call runs. Returns how to say that it is over. */
export function callRuns(): () => void {
  calls.set(calls.get() + 1);
  return () => calls.set(calls.get() - 1);
}

export function IdleNotice() {
  const { t } = useText();
  const queries = useQueryClient();
  const active = useRef(0);
  const told = useRef(0);
  const [left, setLeft] = useState<number | null>(null);

  useEffect(() => {
    active.current = told.current = Date.now();
    const stir = () => {
      // Once the notice stands, only its button counts: a cat on the keyboard is not a person.
      if (active.current + IDLE_MS - NOTICE_MS > Date.now()) active.current = Date.now();
    };
    const events = ['pointerdown', 'keydown', 'wheel', 'touchstart'] as const;
    for (const name of events) addEventListener(name, stir, { passive: true });
    const timer = setInterval(() => {
      if (calls.get() > 0) active.current = Date.now();
      const remaining = active.current + IDLE_MS - Date.now();
      if (remaining <= 0) void signOut(queries);
      setLeft(remaining <= NOTICE_MS ? Math.max(0, Math.ceil(remaining / 1000)) : null);
      if (active.current > told.current && Date.now() - told.current > TELL_SERVER_EVERY_MS) {
        told.current = Date.now();
        get('/me').catch(() => undefined);
      }
    }, 1_000);
    return () => {
      clearInterval(timer);
      for (const name of events) removeEventListener(name, stir);
    };
  }, [queries]);

  if (left === null) return null;
  const stay = () => {
    active.current = Date.now();
    setLeft(null);
  };
  return (
    <Dialog title={t('idle.title')} onClose={stay} actions={<><Button onClick={() => void signOut(queries)}>{t('sign_out')}</Button><Button kind="primary" onClick={stay}>{t('idle.stay')}</Button></>}>
      <p>{t('idle.body', { seconds: left })}</p>
    </Dialog>
  );
}
