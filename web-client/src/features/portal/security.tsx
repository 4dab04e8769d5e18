// Where one is signed in, and the optional second factor.

import { useState, type FormEvent } from 'react';
import { post, Problem, put, remove } from '../../lib/api/client';
import type { PortalSessionItem } from '../../lib/api/types';
import { moment } from '../../lib/i18n/format';
import { useText } from '../../lib/i18n/text';
import { Button, buttonLook, ErrorText, Notice, Pill, problemText } from '../../lib/ui';
import { Inner, Shown, type PageProps } from './page';
import css from './portal.module.css';
import { useReading } from './reading';
import { CodeField } from './sign-in';

export function Security({ clinic, timeZone, onOut }: PageProps & { onOut: () => void }) {
  const { t } = useText();
  return (
    <Inner clinic={clinic} title={t('portal.security.title')}>
      <Sessions timeZone={timeZone} onOut={onOut} />
      <SecondFactor />
    </Inner>
  );
}

function Sessions({ timeZone, onOut }: { timeZone: string; onOut: () => void }) {
  const { t, lang } = useText();
  const reading = useReading<{ items: PortalSessionItem[] }>('/portal/sessions');
  const [error, setError] = useState<unknown>(null);
  const end = async (session: PortalSessionItem) => {
    setError(null);
    try {
      await remove(`/portal/sessions/${session.id}`);
      if (session.current) onOut();
      else reading.again();
    } catch (problem) {
      setError(problem);
    }
  };
  return (
    <section aria-labelledby="sessions" className={css.section}>
      <h2 id="sessions">{t('portal.sessions.title')}</h2>
      <p className={css.quiet}>{t('portal.sessions.lead')}</p>
      <Shown reading={reading}>{({ items }) => (
        <ul className={css.visits}>
          {items.map((session) => (
            <li key={session.id} className={css.card}>
              <h3>{browserName(session.user_agent) ?? t('portal.sessions.unknown')}</h3>
              {session.current && <p><Pill tone="accent">{t('portal.sessions.current')}</Pill></p>}
              <p className={css.quiet}>{t('portal.sessions.since', { time: moment(lang, session.created_at, timeZone) })}</p>
              <Button onClick={() => void end(session)}>{t('portal.sessions.end')}</Button>
            </li>
          ))}
        </ul>
      )}</Shown>
      {Boolean(error) && <ErrorText>{problemText(t, error)}</ErrorText>}
    </section>
  );
}

/** A name that people know, of what browsers call themselves. */
export function browserName(userAgent: string | null): string | null {
  if (!userAgent) return null;
  const system = [['iPhone', 'iPhone'], ['iPad', 'iPad'], ['Android', 'Android'], ['Windows', 'Windows'], ['Mac OS X', 'Mac'], ['Linux', 'Linux']].find(([sign]) => userAgent.includes(sign as string))?.[1];
  const browser = [['Edg/', 'Edge'], ['Firefox/', 'Firefox'], ['Chrome/', 'Chrome'], ['Safari/', 'Safari']].find(([sign]) => userAgent.includes(sign as string))?.[1];
  return [browser, system].filter(Boolean).join(' · ') || null;
}

function SecondFactor() {
  const { t } = useText();
  const reading = useReading<{ on: boolean }>('/portal/second-factor');
  return (
    <section aria-labelledby="factor" className={css.section}>
      <h2 id="factor">{t('portal.factor.title')}</h2>
      <Shown reading={reading}>{({ on }) => on ? <SwitchOff onDone={reading.again} /> : <SwitchOn onDone={reading.again} />}</Shown>
    </section>
  );
}

function SwitchOn({ onDone }: { onDone: () => void }) {
  const { t } = useText();
  const [begun, setBegun] = useState<{ secret: string; otpauth: string } | null>(null);
  const [error, setError] = useState('');
  const begin = async () => {
    setError('');
    try {
      setBegun(await post<{ secret: string; otpauth: string }>('/portal/second-factor'));
    } catch (problem) {
      setError(problemText(t, problem));
    }
  };
  if (!begun) {
    return (
      <>
        <p>{t('portal.factor.off')}</p>
        {error && <ErrorText>{error}</ErrorText>}
        <Button large wide onClick={() => void begin()}>{t('portal.factor.begin')}</Button>
      </>
    );
  }
  return (
    <>
      <ol className={css.steps}>
        <li>
          <p>{t('portal.factor.add')}</p>
          <p><a href={begun.otpauth} className={buttonLook()}>{t('portal.factor.open')}</a></p>
          <p className={css.quiet}>{t('portal.factor.type')}</p>
          <p><code className={css.secret}>{begun.secret.replace(/(.{4})/g, '$1 ').trim()}</code></p>
        </li>
        <li><CodeForm submit={t('portal.factor.confirm')} send={(code) => put<undefined>('/portal/second-factor', { code })} onDone={onDone} /></li>
      </ol>
    </>
  );
}

function SwitchOff({ onDone }: { onDone: () => void }) {
  const { t } = useText();
  const [asked, setAsked] = useState(false);
  return (
    <>
      <Notice tone="accent">{t('portal.factor.on')}</Notice>
      {asked
        ? <CodeForm submit={t('portal.factor.switch_off')} send={(code) => post<undefined>('/portal/second-factor/off', { code })} onDone={onDone} />
        : <Button large wide onClick={() => setAsked(true)}>{t('portal.factor.switch_off')}</Button>}
    </>
  );
}

function CodeForm({ submit, send, onDone }: { submit: string; send: (code: string) => Promise<undefined>; onDone: () => void }) {
  const { t } = useText();
  const [code, setCode] = useState('');
  const [error, setError] = useState('');
  const [busy, setBusy] = useState(false);
  const press = async (event: FormEvent) => {
    event.preventDefault();
    if (code.length !== 6) {
      setError(t('portal.code.missing'));
      return;
    }
    setBusy(true);
    setError('');
    try {
      await send(code);
      onDone();
    } catch (problem) {
      const known = problem instanceof Problem && (problem.code === 'portal.code_wrong' ? t('portal.code.wrong') : problem.code === 'portal.code_locked' && t('portal.code.locked'));
      setError(known || problemText(t, problem));
    }
    setBusy(false);
  };
  return (
    <form onSubmit={(event) => void press(event)} noValidate className={css.form}>
      <CodeField value={code} onChange={setCode} error={error} />
      <Button type="submit" kind="primary" large wide busy={busy}>{submit}</Button>
    </form>
  );
}
