// What happened in a visit, in order, from the stored facts.

import { useQuery } from '@tanstack/react-query';
import { reading } from '../../lib/api/refetch';
import type { TimelineItem } from '../../lib/api/types';
import { clockWithSeconds } from '../../lib/i18n/format';
import { useText, type TextKey, type Translate } from '../../lib/i18n/text';
import { Failed, Loading } from '../../lib/ui';
import css from './visit.module.css';

export function Timeline({ visitId }: { visitId: string }) {
  const { t, lang } = useText();
  const { data, error, refetch } = useQuery({ queryKey: ['clinic', 'timeline', visitId], queryFn: reading<{ items: TimelineItem[] }>(`/visits/${visitId}/timeline`) });
  // Whoever a fact is about has joined before: their seat's name stands there.
  const names = new Map(data?.items.filter((item) => item.fact === 'joined').map((item) => [item.detail.participant, item.by_name]));
  return (
    <section className={css.card} aria-labelledby="timeline">
      <h2 id="timeline">{t('timeline.title')}</h2>
      {!data && (error ? <Failed error={error} onRetry={() => void refetch()} /> : <Loading />)}
      {data?.items.length === 0 && <p>{t('timeline.empty')}</p>}
      <ol className={css.timeline}>
        {data?.items.map((item) => (
          <li key={item.seq}>
            <time dateTime={item.at}>{clockWithSeconds(lang, item.at)}</time>
            <div><p>{said(t, item, names)}</p>{typeof item.detail.text === 'string' && <p className={css.said}>{item.detail.text}</p>}</div>
          </li>
        ))}
      </ol>
    </section>
  );
}

function said(t: Translate, { fact, by_name, detail }: TimelineItem, names: Map<unknown, string | null>): string {
  const by = by_name ?? '';
  const name = names.get(detail.participant) ?? by;
  if (fact === 'left' && (detail.why === 'timed_out' || detail.why === 'revoked')) return t(`fact.${detail.why}`, { name });
  if (fact === 'recording_stopped' && detail.why !== 'stopped' && detail.why !== 'visit_ended') {
    const key = `recording.off.${String(detail.why)}` as TextKey;
    const text = t(key);
    if (text !== key) return text;
  }
  if (fact === 'admitted' && detail.by === detail.participant) return t('fact.entered', { name });
  return t(`fact.${fact}` as TextKey, { name, by });
}
