// Who looked at the record: by name and role, when, and what in plain words.

import { useState } from 'react';
import { get, query } from '../../lib/api/client';
import type { Page, PortalAccess } from '../../lib/api/types';
import { moment } from '../../lib/i18n/format';
import { useText } from '../../lib/i18n/text';
import { Button, Empty, ErrorText, problemText } from '../../lib/ui';
import { deed } from './deeds';
import { Inner, Shown, type PageProps } from './page';
import css from './portal.module.css';
import { useReading } from './reading';

export function History({ clinic, person, timeZone }: PageProps) {
  const { t } = useText();
  const path = `/portal/patients/${person.patient_id}/accesses`;
  const reading = useReading<Page<PortalAccess>>(path);
  return (
    <Inner clinic={clinic} person={person} title={t('portal.history.title')} lead={t('portal.history.lead')}>
      <Shown reading={reading}>{(first) => <Pages key={path} first={first} path={path} timeZone={timeZone} />}</Shown>
      <p>{t('portal.history.questions', { clinic: clinic.name })}</p>
    </Inner>
  );
}

function Pages({ first, path, timeZone }: { first: Page<PortalAccess>; path: string; timeZone: string }) {
  const { t, lang } = useText();
  const [pages, setPages] = useState([first]);
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<unknown>(null);
  const items = pages.flatMap((page) => page.items);
  const cursor = pages.at(-1)?.next_cursor;
  const more = async () => {
    setBusy(true);
    setError(null);
    try {
      const next = await get<Page<PortalAccess>>(`${path}${query({ cursor })}`);
      setPages([...pages, next]);
    } catch (problem) {
      setError(problem);
    }
    setBusy(false);
  };
  if (items.length === 0) return <Empty icon="search" title={t('portal.history.none')} />;
  return (
    <>
      <ol className={css.accesses}>
        {items.map((access, n) => (
          <li key={n}>
            <p><strong>{access.who ?? t('portal.history.somebody')}</strong> <span className={css.quiet}>{t(`role.${access.role}` as Parameters<typeof t>[0])}</span></p>
            <p>{t(deed(access.action))}</p>
            <p className={css.quiet}><time dateTime={access.at}>{moment(lang, access.at, timeZone)}</time></p>
          </li>
        ))}
      </ol>
      {Boolean(error) && <ErrorText>{problemText(t, error)}</ErrorText>}
      {cursor && <Button large wide busy={busy} onClick={() => void more()}>{t('portal.history.more')}</Button>}
    </>
  );
}
