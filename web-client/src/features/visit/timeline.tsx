// What happened in a visit, in order, from the stored facts.

import { useQuery } from '@tanstack/react-query';
import { reading } from '../../lib/api/refetch';
import type { TimelineItem } from '../../lib/api/types';
import { clockWithSeconds } from '../../lib/i18n/format';
import { useText, type TextKey } from '../../lib/i18n/text';
import { Failed, Loading } from '../../lib/ui';
import css from './visit.module.css';

export function Timeline({ visitId }: { visitId: string }) {
  const { t, lang } = useText();
  const { data, error, refetch } = useQuery({ queryKey: ['clinic', 'timeline', visitId], queryFn: reading<{ items: TimelineItem[] }>(`/visits/${visitId}/timeline`) });
  return (
    <section className={css.card} aria-labelledby="timeline">
      <h2 id="timeline">{t('timeline.title')}</h2>
      {!data && (error ? <Failed error={error} onRetry={() => void refetch()} /> : <Loading />)}
      {data?.items.length === 0 && <p>{t('timeline.empty')}</p>}
      <ol className={css.timeline}>
        {data?.items.map((item) => (
          <li key={item.seq}>
            <time dateTime={item.at}>{clockWithSeconds(lang, item.at)}</time>
            <div><p>{t(`fact.${item.fact}` as TextKey, { name: item.by_name ?? '' })}</p>{item.fact === 'chat_posted' && item.detail && <p className={css.said}>{item.detail}</p>}</div>
          </li>
        ))}
      </ol>
    </section>
  );
}
