// Where one is signed in, and signing out there.

import { useQuery, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { get, post, remove } from '../../lib/api/client';
import type { SessionItem, SessionList } from '../../lib/api/types';
import { moment } from '../../lib/i18n/format';
import { useText } from '../../lib/i18n/text';
import { Button, ErrorText, Failed, Loading, Notice, Pill } from '../../lib/ui';
import { useSubmit } from '../session/submit';
import { browserName } from './browser-name';
import css from './account.module.css';

export function Sessions() {
  const { t, lang } = useText();
  const queries = useQueryClient();
  const [ended, setEnded] = useState(false);
  const { data, error, refetch } = useQuery({ queryKey: ['account', 'sessions'], queryFn: () => get<SessionList>('/account/sessions') });
  const { busy, error: failed, run } = useSubmit({});
  const end = (work: () => Promise<void>) => void run(null, async () => {
    await work();
    setEnded(true);
    await queries.invalidateQueries({ queryKey: ['account', 'sessions'] });
  });
  const button = (item: SessionItem) => (
    <Button kind="quiet" busy={busy} aria-label={t('account.sessions.end_of', { browser: browserName(t, item.user_agent), since: moment(lang, item.since) })} onClick={() => end(() => remove(`/account/sessions/${item.id}`))}>{t('account.sessions.end')}</Button>
  );
  return (
    <section aria-labelledby="sessions" className={css.section}>
      <h2 id="sessions">{t('account.sessions')}</h2>
      {!data && (error ? <Failed error={error} onRetry={() => void refetch()} /> : <Loading />)}
      {ended && <Notice tone="accent" live>{t('account.sessions.ended')}</Notice>}
      {failed && <ErrorText>{failed}</ErrorText>}
      {data && <SessionItems items={data.items} button={button} />}
      {data && data.items.length > 1 && <Button busy={busy} onClick={() => end(() => post('/account/sessions/end-others'))}>{t('account.sessions.end_others')}</Button>}
    </section>
  );
}

/** Sessions, with what may be done about each but the current one. */
export function SessionItems({ items, button }: { items: SessionItem[]; button?: (item: SessionItem) => React.ReactNode }) {
  const { t, lang } = useText();
  return (
    <ul className={css.list}>
      {items.map((item) => (
        <li key={item.id}>
          <div className={css.item}>
            <strong>{browserName(t, item.user_agent)} {item.current && <Pill tone="accent">{t('account.sessions.this')}</Pill>}</strong>
            <span className={css.quiet}>{t('account.sessions.since', { since: moment(lang, item.since), seen: moment(lang, item.last_seen_at) })}{item.address && ` · ${item.address}`}</span>
          </div>
          {!item.current && button?.(item)}
        </li>
      ))}
    </ul>
  );
}
