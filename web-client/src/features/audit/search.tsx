// The log, searchable line by line. Filters are sent when asked for; every entry opens to all that was recorded of it.

import { useInfiniteQuery } from '@tanstack/react-query';
import { useState, type FormEvent, type ReactNode } from 'react';
import { get, query } from '../../lib/api/client';
import type { AuditItem, Me, Page } from '../../lib/api/types';
import { exactly } from '../../lib/i18n/format';
import { useText, type TextKey } from '../../lib/i18n/text';
import { Button, Empty, Failed, Icon, Loading, Pill, SelectField, TextField } from '../../lib/ui';
import css from './audit.module.css';
import { ExportButton } from './export';
import { PatientPicker, PersonPicker, type Chosen } from './pickers';
import { ACTIONS, instant, useWords } from './words';

export interface Filter { actor: Chosen | null; patient: Chosen | null; action: string; outcome: string; from: string; to: string }
export const NO_FILTER: Filter = { actor: null, patient: null, action: '', outcome: '', from: '', to: '' };

export function Search({ me, filter, onFilter }: { me: Me; filter: Filter; onFilter: (filter: Filter) => void }) {
  const { t } = useText();
  const words = useWords();
  const [draft, setDraft] = useState<Filter>(filter);
  const [applied, setApplied] = useState(filter);
  if (applied !== filter) {
    setApplied(filter);
    setDraft(filter);
  }
  const { data, error, refetch, fetchNextPage, hasNextPage, isFetchingNextPage } = useInfiniteQuery({
    queryKey: ['audit', filter],
    queryFn: ({ pageParam, signal }) => get<Page<AuditItem>>(`/audit${query({
      actor: filter.actor?.id, patient_id: filter.patient?.id, action: filter.action, outcome: filter.outcome,
      from: instant(filter.from), to: instant(filter.to), cursor: pageParam,
    })}`, { signal }),
    initialPageParam: '',
    getNextPageParam: (page) => page.next_cursor,
  });
  const items = data?.pages.flatMap((page) => page.items) ?? [];
  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (JSON.stringify(draft) === JSON.stringify(filter)) void refetch();
    else onFilter(draft);
  };
  return (
    <>
      <form role="search" onSubmit={submit} className={css.filters}>
        <PersonPicker label={t('audit.person')} value={draft.actor} onChoose={(actor) => setDraft({ ...draft, actor })} />
        <PatientPicker label={t('audit.patient.name')} value={draft.patient} onChoose={(patient) => setDraft({ ...draft, patient })} />
        <SelectField label={t('audit.action')} value={draft.action} onChange={(event) => setDraft({ ...draft, action: event.target.value })}>
          <option value="">{t('audit.any')}</option>
          {ACTIONS.map((action) => <option key={action} value={action}>{words.action(action)}</option>)}
        </SelectField>
        <SelectField label={t('audit.outcome')} value={draft.outcome} onChange={(event) => setDraft({ ...draft, outcome: event.target.value })}>
          <option value="">{t('audit.any')}</option>
          {(['allowed', 'denied', 'failed'] as const).map((one) => <option key={one} value={one}>{t(`audit.outcome.${one}`)}</option>)}
        </SelectField>
        <TextField type="datetime-local" label={t('audit.from')} value={draft.from} onChange={(event) => setDraft({ ...draft, from: event.target.value })} />
        <TextField type="datetime-local" label={t('audit.to')} value={draft.to} onChange={(event) => setDraft({ ...draft, to: event.target.value })} />
        <div className={css.buttons}>
          <Button type="submit" kind="primary" icon="search">{t('audit.search')}</Button>
          <Button kind="quiet" onClick={() => onFilter({ ...NO_FILTER })}>{t('audit.clear')}</Button>
          {me.role === 'compliance' && <ExportButton from={draft.from} to={draft.to} />}
        </div>
      </form>
      {!data && (error ? <Failed error={error} onRetry={() => void refetch()} /> : <Loading />)}
      {data && items.length === 0 && <Empty icon="search" title={t('audit.empty')}>{t('audit.empty.body')}</Empty>}
      {items.length > 0 && (
        <section aria-label={t('audit.title')}>
          <p className={css.quiet} role="status">{t('audit.shown', { n: items.length })}</p>
          <ol className={css.entries}>
            {items.map((item) => <Entry key={item.seq} item={item} onFilter={(only) => onFilter({ ...NO_FILTER, ...only })} />)}
          </ol>
        </section>
      )}
      {hasNextPage && <Button busy={isFetchingNextPage} onClick={() => void fetchNextPage()}>{t('audit.more')}</Button>}
    </>
  );
}

function Entry({ item, onFilter }: { item: AuditItem; onFilter: (only: Partial<Filter>) => void }) {
  const { t, lang } = useText();
  const words = useWords();
  const { actor_id: actor, patient_id: patient } = item;
  const listed = item.patient_ids.length;
  return (
    <li>
      <details>
        <summary>
          <time dateTime={item.at}>{exactly(lang, item.at)}</time>
          <span className={css.who}>{item.actor_name ?? words.role(item.actor_role)}{item.actor_name && <span> {words.role(item.actor_role)}</span>}</span>
          <span className={css.what}>{words.action(item.action)}</span>
          <Pill tone={item.outcome === 'allowed' ? 'plain' : 'danger'}>{t(`audit.outcome.${item.outcome}` as TextKey)}</Pill>
          <Icon name="right" />
        </summary>
        <dl>
          <Fact label={t('audit.seq')}>{item.seq}</Fact>
          <Fact label={t('audit.action')}><code>{item.action}</code></Fact>
          <Fact label={t('audit.record')}>{item.resource_type}{item.resource_id && <> <code>{item.resource_id}</code></>}</Fact>
          {actor && <Fact label={t('audit.who')}><code>{actor}</code> <Button kind="quiet" onClick={() => onFilter({ actor: { id: actor, name: item.actor_name ?? actor } })}>{t('audit.filter_this_actor')}</Button></Fact>}
          {patient && <Fact label={t('audit.patient')}><code>{patient}</code> <Button kind="quiet" onClick={() => onFilter({ patient: { id: patient, name: patient } })}>{t('audit.filter_this_patient')}</Button></Fact>}
          {listed > 0 && <Fact label={t('audit.listed')}>{t('audit.listed.of', { n: listed })}</Fact>}
          {item.reason && <Fact label={t('audit.reason')}>{item.reason}</Fact>}
          {item.private && <Fact label={t('audit.private')}>{item.private}</Fact>}
          {item.address && <Fact label={t('audit.where')}>{item.address}</Fact>}
          {item.user_agent && <Fact label={t('audit.browser')}>{item.user_agent}</Fact>}
          {item.request_id && <Fact label={t('audit.request')}><code>{item.request_id}</code></Fact>}
          {Boolean(item.detail) && <Fact label={t('audit.details')}><code>{JSON.stringify(item.detail)}</code></Fact>}
        </dl>
      </details>
    </li>
  );
}

export function Fact({ label, children }: { label: string; children: ReactNode }) {
  return <div><dt>{label}</dt><dd>{children}</dd></div>;
}
