// Visits by how good the call was. No patient's name: whoever looks after the network need not know who was treated.

import { useInfiniteQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { useState, type FormEvent } from 'react';
import { get, query } from '../../lib/api/client';
import type { Me, Page, QualityFigures, QualityItem } from '../../lib/api/types';
import { atWallClock, bitrate, duration, moment, number, percent, today } from '../../lib/i18n/format';
import { useText } from '../../lib/i18n/text';
import { Button, Empty, Failed, Loading, TextField } from '../../lib/ui';
import { useTitle } from '../../lib/ui/now';
import { Score } from './score';
import css from './quality.module.css';

export function QualityList({ me }: { me: Me }) {
  const { t, lang } = useText();
  const zone = me.clinic.time_zone;
  const [draft, setDraft] = useState({ from: '', to: '' });
  const [range, setRange] = useState(draft);
  useTitle(`${t('quality.title')} · ${me.clinic.name}`);
  const { data, error, refetch, fetchNextPage, hasNextPage, isFetchingNextPage } = useInfiniteQuery({
    queryKey: ['quality', range],
    queryFn: ({ pageParam, signal }) => get<Page<QualityItem>>(`/quality/visits${query({
      from: range.from && atWallClock(range.from, '00:00', zone).toISOString(),
      to: range.to && new Date(atWallClock(range.to, '00:00', zone).getTime() + 86_400_000).toISOString(),
      cursor: pageParam,
    })}`, { signal }),
    initialPageParam: '',
    getNextPageParam: (page) => page.next_cursor,
  });
  const items = data?.pages.flatMap((page) => page.items) ?? [];
  const submit = (event: FormEvent) => {
    event.preventDefault();
    setRange(draft);
  };
  return (
    <div className={css.page}>
      <header className={css.head}>
        <div><h1>{t('quality.title')}</h1><p>{t('quality.intro')}</p></div>
        <form onSubmit={submit} className={css.range}>
          <TextField type="date" label={t('quality.from')} value={draft.from} max={today(zone)} onChange={(event) => setDraft({ ...draft, from: event.target.value })} />
          <TextField type="date" label={t('quality.to')} value={draft.to} max={today(zone)} onChange={(event) => setDraft({ ...draft, to: event.target.value })} />
          <Button type="submit">{t('quality.apply')}</Button>
        </form>
      </header>
      {!data && (error ? <Failed error={error} onRetry={() => void refetch()} /> : <Loading />)}
      {data && items.length === 0 && <Empty title={t('quality.empty')}>{t('quality.empty.body')}</Empty>}
      {items.length > 0 && (
        <div className={css.scroll} role="region" aria-label={t('quality.title')} tabIndex={0}>
          <table className={css.table}>
            <thead>
              <tr>
                <th scope="col">{t('quality.started')}</th>
                <th scope="col">{t('quality.worst')}</th>
                <th scope="col">{t('quality.provider')}</th>
                <th scope="col" className={css.num}>{t('quality.lasted')}</th>
                <th scope="col" className={css.num}>{t('quality.round_trip')}</th>
                <th scope="col" className={css.num}>{t('quality.loss')}</th>
                <th scope="col" className={css.num}>{t('quality.jitter')}</th>
                <th scope="col" className={css.num}>{t('quality.bitrate')}</th>
              </tr>
            </thead>
            <tbody>
              {items.map((item) => {
                const worst = worstOf(item.participants);
                return (
                  <tr key={item.visit_id}>
                    <td>{item.started_at ? moment(lang, item.started_at) : '–'}</td>
                    <td><Score mos={item.worst_mos} /></td>
                    <td><Link to="/app/quality/$visitId" params={{ visitId: item.visit_id }} className={css.open}>{item.provider_name}<span className="visually-hidden">, {item.started_at ? t('quality.open', { time: moment(lang, item.started_at) }) : ''}</span></Link></td>
                    <td className={css.num}>{item.started_at && item.ended_at ? duration(lang, Date.parse(item.ended_at) - Date.parse(item.started_at)) : '–'}</td>
                    <td className={css.num}>{worst.round_trip_ms === null ? '–' : `${number(lang, worst.round_trip_ms)} ms`}</td>
                    <td className={css.num}>{worst.loss === null ? '–' : percent(lang, worst.loss)}</td>
                    <td className={css.num}>{worst.jitter_ms === null ? '–' : `${number(lang, worst.jitter_ms, 1)} ms`}</td>
                    <td className={css.num}>{worst.bitrate_bps === null ? '–' : bitrate(lang, worst.bitrate_bps)}</td>
                  </tr>
                );
              })}
            </tbody>
          </table>
        </div>
      )}
      {hasNextPage && <Button busy={isFetchingNextPage} onClick={() => void fetchNextPage()}>{t('quality.more')}</Button>}
    </div>
  );
}

/** The worst figure of anyone in the visit, each for itself. */
function worstOf(people: QualityFigures[]) {
  const of = (values: (number | null)[], pick: (...values: number[]) => number) => {
    const known = values.filter((value): value is number => value !== null);
    return known.length ? pick(...known) : null;
  };
  return {
    round_trip_ms: of(people.map((one) => one.round_trip_ms), Math.max),
    loss: of(people.map((one) => one.loss), Math.max),
    jitter_ms: of(people.map((one) => one.jitter_ms), Math.max),
    bitrate_bps: of(people.map((one) => one.bitrate_bps), Math.min),
  };
}
