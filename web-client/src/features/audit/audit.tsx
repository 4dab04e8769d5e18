// The audit log, searchable line by line. Filters are sent when asked for; every entry opens to all that was recorded of it.

import { useInfiniteQuery } from '@tanstack/react-query';
import { useState, type FormEvent, type ReactNode } from 'react';
import { get, query } from '../../lib/api/client';
import type { AuditItem, Me, Page } from '../../lib/api/types';
import { exactly } from '../../lib/i18n/format';
import { useText, type TextKey } from '../../lib/i18n/text';
import { Button, Empty, Failed, Icon, Loading, Pill, TextField } from '../../lib/ui';
import { useTitle } from '../../lib/ui/now';
import css from './audit.module.css';

const NO_FILTER = { actor: '', patient_id: '', action: '', resource_type: '', from: '', to: '' };
type Filter = typeof NO_FILTER;

export function Audit({ me }: { me: Me }) {
  const { t } = useText();
  const [draft, setDraft] = useState<Filter>(NO_FILTER);
  const [filter, setFilter] = useState<Filter>(NO_FILTER);
  useTitle(`${t('audit.title')} · ${me.clinic.name}`);
  const { data, error, refetch, fetchNextPage, hasNextPage, isFetchingNextPage } = useInfiniteQuery({
    queryKey: ['audit', filter],
    queryFn: ({ pageParam, signal }) => get<Page<AuditItem>>(`/audit${query({ ...filter, from: instant(filter.from), to: instant(filter.to), cursor: pageParam })}`, { signal }),
    initialPageParam: '',
    getNextPageParam: (page) => page.next_cursor,
  });
  const items = data?.pages.flatMap((page) => page.items) ?? [];
  const apply = (next: Filter) => {
    setDraft(next);
    setFilter(next);
  };
  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (JSON.stringify(draft) === JSON.stringify(filter)) void refetch();
    else setFilter(draft);
  };
  const field = (name: keyof Filter, key: TextKey, type = 'text') => (
    <TextField type={type} label={t(key)} value={draft[name]} onChange={(event) => setDraft({ ...draft, [name]: event.target.value.trim() })} spellCheck={false} autoComplete="off" />
  );
  return (
    <div className={css.page}>
      <header><h1>{t('audit.title')}</h1><p className={css.quiet}>{t('audit.intro')}</p></header>
      <form role="search" onSubmit={submit} className={css.filters}>
        {field('actor', 'audit.actor')}
        {field('patient_id', 'audit.patient')}
        {field('action', 'audit.action')}
        {field('resource_type', 'audit.resource')}
        {field('from', 'audit.from', 'datetime-local')}
        {field('to', 'audit.to', 'datetime-local')}
        <div className={css.buttons}>
          <Button type="submit" kind="primary" icon="search">{t('audit.search')}</Button>
          <Button kind="quiet" onClick={() => apply(NO_FILTER)}>{t('audit.clear')}</Button>
        </div>
      </form>
      {!data && (error ? <Failed error={error} onRetry={() => void refetch()} /> : <Loading />)}
      {data && items.length === 0 && <Empty icon="search" title={t('audit.empty')}>{t('audit.empty.body')}</Empty>}
      {items.length > 0 && (
        <section aria-label={t('audit.title')}>
          <p className={css.quiet} role="status">{t('audit.shown', { n: items.length })}</p>
          <ol className={css.entries}>
            {items.map((item) => <Entry key={item.seq} item={item} onFilter={(only) => apply({ ...NO_FILTER, ...only })} />)}
          </ol>
        </section>
      )}
      {hasNextPage && <Button busy={isFetchingNextPage} onClick={() => void fetchNextPage()}>{t('audit.more')}</Button>}
    </div>
  );
}

function Entry({ item, onFilter }: { item: AuditItem; onFilter: (only: Partial<Filter>) => void }) {
  const { t, lang } = useText();
  const { actor_id: actor, patient_id: patient } = item;
  return (
    <li>
      <details>
        <summary>
          <time dateTime={item.at}>{exactly(lang, item.at)}</time>
          <span className={css.who}>{item.actor_name ?? roleName(item.actor_role)}{item.actor_name && <span> {roleName(item.actor_role)}</span>}</span>
          <span className={css.what}>{item.action}</span>
          <Pill tone={item.outcome === 'allowed' ? 'plain' : 'danger'}>{t(`audit.outcome.${item.outcome}`)}</Pill>
          <Icon name="right" />
        </summary>
        <dl>
          <Fact label={t('audit.seq')}>{item.seq}</Fact>
          <Fact label={t('audit.record')}>{item.resource_type}{item.resource_id && <> <code>{item.resource_id}</code></>}</Fact>
          {actor && <Fact label={t('audit.who')}><code>{actor}</code> <Button kind="quiet" onClick={() => onFilter({ actor })}>{t('audit.filter_this_actor')}</Button></Fact>}
          {patient && <Fact label={t('audit.patient')}><code>{patient}</code> <Button kind="quiet" onClick={() => onFilter({ patient_id: patient })}>{t('audit.filter_this_patient')}</Button></Fact>}
          {item.reason && <Fact label={t('audit.reason')}>{item.reason}</Fact>}
          {item.address && <Fact label={t('audit.where')}>{item.address}</Fact>}
          {item.user_agent && <Fact label={t('audit.browser')}>{item.user_agent}</Fact>}
          {item.request_id && <Fact label={t('audit.request')}><code>{item.request_id}</code></Fact>}
          {Boolean(item.detail) && <Fact label={t('audit.details')}><code>{JSON.stringify(item.detail)}</code></Fact>}
        </dl>
      </details>
    </li>
  );

  function roleName(role: string): string {
    const key = `role.${role}` as TextKey;
    const name = t(key);
    // The parts of the server act, too: the recorder, the room.
    return name === key ? t('audit.server', { part: role }) : name;
  }
}

function Fact({ label, children }: { label: string; children: ReactNode }) {
  return <div><dt>{label}</dt><dd>{children}</dd></div>;
}

/** What a datetime-local field holds, as an instant; empty stays empty. */
function instant(local: string): string {
  return local && new Date(local).toISOString();
}
