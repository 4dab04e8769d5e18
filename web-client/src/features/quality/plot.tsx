// One measure over time, a line per person and direction; under it the same figures as a table.

import { useEffect, useRef } from 'react';
import uPlot from 'uplot';
import 'uplot/dist/uPlot.min.css';
import { clock, clockWithSeconds } from '../../lib/i18n/format';
import { useText } from '../../lib/i18n/text';
import css from './quality.module.css';

/** `hue` (from 0) is the same for a person and direction in every plot. */
export interface Line { label: string; hue: number; points: { at: number; value: number | null }[] }

const HEIGHT = 240;
/** Everyone is measured every 5 s, but not at the same instant: figures are set side by side in steps of that length. */
const STEP_MS = 5_000;
/** A line is broken where nothing was measured for longer than this. */
const BREAK_S = 3 * (STEP_MS / 1000);
const DASHES: number[][] = [[], [8, 4], [2, 3], [10, 3, 2, 3]];

export function Plot({ title, unit, lines, show, range, least = 0 }: {
  title: string; unit: string; lines: Line[]; show: (value: number) => string;
  /** Fixed ends of the scale. */
  range?: [number, number] | undefined;
  /** The scale reaches at least this far up, so that a quiet line does not look like a storm. */
  least?: number | undefined;
}) {
  const { t, lang } = useText();
  const box = useRef<HTMLDivElement>(null);
  const step = (at: number) => Math.round(at / STEP_MS) * STEP_MS;
  const times = [...new Set(lines.flatMap((line) => line.points.map((point) => step(point.at))))].sort((a, b) => a - b);
  const rows = lines.map((line) => {
    const at = new Map(line.points.map((point) => [step(point.at), point.value]));
    return times.map((time) => at.get(time) ?? null);
  });
  const drawn = JSON.stringify([times, rows, lines.map((line) => line.label), unit, lang]);

  useEffect(() => {
    const element = box.current;
    if (!element) return;
    const style = getComputedStyle(document.documentElement);
    const token = (name: string) => style.getPropertyValue(name).trim();
    const font = `16px ${token('--font')}`;
    const axis = { font, stroke: token('--ink-quiet'), grid: { stroke: token('--line'), width: 1 }, ticks: { stroke: token('--line'), width: 1 } };
    const plot = new uPlot({
      width: element.clientWidth, height: HEIGHT,
      padding: [8, 44, 0, 0],
      cursor: { drag: { x: true, y: false } },
      legend: { live: true },
      scales: { y: { range: (_, __, max) => range ?? [0, Math.max(least, (max || 0) * 1.15) || 1] } },
      axes: [{ ...axis, values: (_, splits) => splits.map((split) => (split % 60 === 0 ? clock(lang, split * 1000) : clockWithSeconds(lang, split * 1000))), space: 96 }, { ...axis, size: 104, values: (_, splits) => splits.map(show) }],
      series: [
        { label: t('quality.at'), value: (_, at) => (at ? clockWithSeconds(lang, at * 1000) : '–') },
        ...lines.map((line) => ({
          label: line.label, stroke: token(`--plot-${(line.hue % 4) + 1}`), width: 2, dash: DASHES[line.hue % DASHES.length] ?? [], spanGaps: false,
          gaps: (u: uPlot, _: number, __: number, ___: number, gaps: uPlot.Series.Gaps) =>
            gaps.filter(([from, to]) => u.posToVal(to, 'x', true) - u.posToVal(from, 'x', true) > BREAK_S),
          points: { show: times.length < 40, size: 5 }, value: (_: uPlot, value: number | null) => (value === null ? '–' : show(value)),
        })),
      ],
    }, [times.map((time) => time / 1000), ...rows], element);
    const watch = new ResizeObserver(() => plot.setSize({ width: element.clientWidth, height: HEIGHT }));
    watch.observe(element);
    return () => {
      watch.disconnect();
      plot.destroy();
    };
    // `drawn` stands for everything that is drawn; the arrays are new on every render.
    // eslint-disable-next-line react-hooks/exhaustive-deps
  }, [drawn]);

  return (
    <figure className={css.plot}>
      <figcaption><h2>{title}</h2><span>{unit}</span></figcaption>
      <div ref={box} role="img" aria-label={t('quality.plot', { what: title, unit })} />
      <details>
        <summary>{t('quality.table')}</summary>
        <div className={css.scroll} role="region" aria-label={`${title}, ${unit}`} tabIndex={0}>
          <table className={css.table}>
            <thead><tr><th scope="col">{t('quality.at')}</th>{lines.map((line) => <th key={line.label} scope="col" className={css.num}>{line.label}</th>)}</tr></thead>
            <tbody>
              {times.map((time, n) => (
                <tr key={time}><th scope="row">{clockWithSeconds(lang, time)}</th>{rows.map((row, m) => <td key={m} className={css.num}>{row[n] === null || row[n] === undefined ? '–' : show(row[n])}</td>)}</tr>
              ))}
            </tbody>
          </table>
        </div>
      </details>
    </figure>
  );
}
