// How good one call was, second by second, for whom and in which direction.

import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { reading } from '../../lib/api/refetch';
import type { QualityPoint, QualitySeries, VisitQuality } from '../../lib/api/types';
import { bitrate, moment, number, percent } from '../../lib/i18n/format';
import { useText, type TextKey } from '../../lib/i18n/text';
import { Empty, Failed, Icon, Loading } from '../../lib/ui';
import { useTitle } from '../../lib/ui/now';
import { Plot, type Line } from './plot';
import css from './quality.module.css';

const LOOK_AGAIN_MS = 5_000;

export function QualityVisit({ visitId }: { visitId: string }) {
  const { t, lang } = useText();
  const { data, error, refetch } = useQuery({ queryKey: ['quality', 'visit', visitId], queryFn: reading<VisitQuality>(`/quality/visits/${visitId}`), refetchInterval: LOOK_AGAIN_MS });
  const first = data?.series.flatMap((one) => one.points)[0];
  const title = first ? t('quality.of', { time: moment(lang, first.at) }) : t('quality.title');
  useTitle(title);
  const plots: { key: TextKey; unit: string; of: (point: QualityPoint) => number | null; show: (value: number) => string; range?: [number, number]; least?: number }[] = [
    { key: 'quality.round_trip', unit: 'ms', least: 50, of: (point) => point.round_trip_ms, show: (value) => `${number(lang, value, value < 10 ? 1 : 0)} ms` },
    { key: 'quality.loss', unit: '%', least: 0.02, of: (point) => point.loss, show: (value) => percent(lang, value) },
    { key: 'quality.jitter', unit: 'ms', least: 20, of: (point) => point.jitter_ms, show: (value) => `${number(lang, value, 1)} ms` },
    { key: 'quality.bitrate', unit: 'kbit/s', of: (point) => point.bitrate_bps, show: (value) => bitrate(lang, value) },
    { key: 'quality.mos', unit: '1–4.5', of: (point) => point.mos, show: (value) => number(lang, value, 1), range: [1, 4.6] },
  ];
  return (
    <div className={css.page}>
      <div>
        <Link to="/app/quality" className={css.back}><Icon name="left" />{t('quality.back')}</Link>
        <h1>{title}</h1>
        <p className={css.quiet}>{t('quality.sent_received')}</p>
      </div>
      {!data && (error ? <Failed error={error} onRetry={() => void refetch()} /> : <Loading />)}
      {data && !first && <Empty title={t('quality.nothing')}>{t('quality.nothing.body')}</Empty>}
      {data && first && (
        <>
          <div className={css.plots}>
            {plots.map(({ key, unit, of, show, range, least }) => <Plot key={key} title={t(key)} unit={unit} lines={linesOf(data.series, of, (series) => nameOf(series, data.series))} show={show} range={range} least={least} />)}
          </div>
          <section className={css.formula}><h2>{t('quality.formula')}</h2><p>{data.formula}</p></section>
        </>
      )}
    </div>
  );

  function nameOf(series: QualitySeries, all: QualitySeries[]): string {
    const alike = [...new Set(all.filter((one) => one.role === series.role).map((one) => one.participant_id))];
    const who = alike.length > 1 ? `${t(`role.${series.role}`)} ${alike.indexOf(series.participant_id) + 1}` : t(`role.${series.role}`);
    return t(series.direction === 'up' ? 'quality.up' : 'quality.down', { who });
  }
}

function linesOf(series: QualitySeries[], of: (point: QualityPoint) => number | null, name: (series: QualitySeries) => string): Line[] {
  return series
    .map((one, hue) => ({ label: name(one), hue, points: one.points.map((point) => ({ at: Date.parse(point.at), value: of(point) })) }))
    .filter((line) => line.points.some((point) => point.value !== null));
}
