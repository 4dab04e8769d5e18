// The recordings of a visit and their player. The file streams from the server in ranges, so seeking is quick and nothing is kept here.

import { useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import { reading } from '../../lib/api/refetch';
import { Problem } from '../../lib/api/client';
import type { Recording } from '../../lib/api/types';
import { length, moment, number, size } from '../../lib/i18n/format';
import { useText } from '../../lib/i18n/text';
import { Button, ErrorText, Failed, Loading, Notice, Pill } from '../../lib/ui';
import css from './visit.module.css';

const LOOK_AGAIN_MS = 5_000;
const UNFINISHED = new Set(['capturing', 'captured', 'composing', 'interrupted']);

export function Recordings({ visitId }: { visitId: string }) {
  const { t } = useText();
  const { data, error, refetch } = useQuery({
    queryKey: ['clinic', 'recordings', visitId],
    queryFn: reading<{ items: Recording[] }>(`/visits/${visitId}/recordings`),
    refetchInterval: ({ state }) => (state.data?.items.some((one) => UNFINISHED.has(one.state)) ? LOOK_AGAIN_MS : false),
  });
  // Whoever may not watch recordings sees no empty frame for them.
  if (error instanceof Problem && error.status === 403) return null;
  return (
    <section className={css.card} aria-labelledby="recordings">
      <h2 id="recordings">{t('recordings.title')}</h2>
      {!data && (error ? <Failed error={error} onRetry={() => void refetch()} /> : <Loading />)}
      {data?.items.length === 0 && <p>{t('recordings.empty')}</p>}
      {data?.items.map((one) => <One key={one.recording_id} recording={one} />)}
    </section>
  );
}

function One({ recording }: { recording: Recording }) {
  const { t, lang } = useText();
  const [open, setOpen] = useState(false);
  const [broken, setBroken] = useState(false);
  const { state, started_at, duration_ms, bytes, sha256, gaps } = recording;
  const name = t('recordings.video', { time: moment(lang, started_at) });
  return (
    <article className={css.recording}>
      <header><h3>{name}</h3><Pill tone={state === 'ready' ? 'accent' : state === 'failed' ? 'danger' : 'plain'}>{t(`recordings.state.${state}`)}</Pill></header>
      {state === 'failed' && <Notice tone="danger">{t('recordings.failed')}</Notice>}
      {UNFINISHED.has(state) && <Notice live>{t('recordings.preparing')}</Notice>}
      {state === 'ready' && (open
        ? <video controls autoPlay playsInline preload="metadata" aria-label={name} src={`/api/v1/recordings/${recording.recording_id}/media`} onError={() => setBroken(true)} />
        : <div><Button kind="primary" icon="play" onClick={() => setOpen(true)}>{t('recordings.play')}</Button></div>)}
      {broken && <ErrorText>{t('recordings.play.failed')}</ErrorText>}
      <dl>
        {duration_ms !== null && <div><dt>{t('recordings.length')}</dt><dd>{length(duration_ms)}</dd></div>}
        {bytes !== null && <div><dt>{t('recordings.size')}</dt><dd>{size(lang, bytes)}</dd></div>}
        <div><dt>{t('recordings.gaps')}</dt><dd>{gaps ? number(lang, gaps) : t('recordings.gaps.none')}</dd></div>
        {sha256 && <div className={css.hash}><dt>{t('recordings.hash')}</dt><dd><code>{sha256}</code></dd></div>}
      </dl>
    </article>
  );
}
