// One list of a chart: what counts today first, what is over and what was an error folded away, never gone.

import { useState, type ReactNode } from 'react';
import { moment, today } from '../../lib/i18n/format';
import { useText } from '../../lib/i18n/text';
import { Button, Failed, Loading } from '../../lib/ui';
import { EntryDialog } from './entry-dialog';
import { EntryHistory } from './history-dialog';
import { isCurrent, LISTS, titleOf, valueText, type Line, type ListName } from './lists';
import { MarkDialog } from './mark-dialog';
import css from './patients.module.css';

interface Props { list: ListName; patientId: string; lines: Line[] | undefined; error: unknown; onRetry: () => void; onChanged: () => void; mayWrite: boolean; above?: ReactNode }
type Open = { what: 'add' } | { what: 'edit' | 'mark' | 'history'; line: Line };

export function ListSection({ list, patientId, lines, error, onRetry, onChanged, mayWrite, above }: Props) {
  const { t } = useText();
  const [open, setOpen] = useState<Open | null>(null);
  const now = today();
  const current = lines?.filter((line) => isCurrent(line, now)) ?? [];
  const ended = lines?.filter((line) => !line.inError && !isCurrent(line, now)) ?? [];
  const errors = lines?.filter((line) => line.inError) ?? [];
  const done = () => {
    setOpen(null);
    onChanged();
  };
  const rows = (of: Line[]) => <ul className={css.lines}>{of.map((line) => <Row key={line.id} line={line} mayWrite={mayWrite} onOpen={(what) => setOpen({ what, line })} />)}</ul>;
  return (
    <section className={css.card} aria-labelledby={`list-${list}`}>
      <header>
        <h2 id={`list-${list}`}>{t(`list.${list}`)}</h2>
        {mayWrite && <Button kind="quiet" aria-label={t('chart.add_to', { list: t(`list.${list}`) })} onClick={() => setOpen({ what: 'add' })}>{t('chart.add')}</Button>}
      </header>
      {!lines && (error ? <Failed error={error} onRetry={onRetry} /> : <Loading />)}
      {above}
      {lines && current.length > 0 && rows(current)}
      {lines && current.length === 0 && list !== 'allergy' && <p className={css.quiet}>{t('chart.empty')}</p>}
      {ended.length > 0 && <details className={css.folded}><summary>{t('chart.ended', { n: ended.length })}</summary>{rows(ended)}</details>}
      {errors.length > 0 && <details className={css.folded}><summary>{t('chart.in_errors', { n: errors.length })}</summary>{rows(errors)}</details>}
      {open?.what === 'add' && <EntryDialog patientId={patientId} list={list} line={null} onClose={() => setOpen(null)} onSaved={done} />}
      {open?.what === 'edit' && <EntryDialog patientId={patientId} list={list} line={open.line} onClose={() => { setOpen(null); onChanged(); }} onSaved={done} />}
      {open?.what === 'mark' && <MarkDialog patientId={patientId} line={open.line} onClose={() => setOpen(null)} onDone={done} />}
      {open?.what === 'history' && <EntryHistory patientId={patientId} line={open.line} onClose={() => setOpen(null)} />}
    </section>
  );
}

function Row({ line, mayWrite, onOpen }: { line: Line; mayWrite: boolean; onOpen: (what: 'edit' | 'mark' | 'history') => void }) {
  const { t, lang } = useText();
  const what = titleOf(line);
  const fields = LISTS[line.list].slice(1).filter((field) => field.kind !== 'text' && line.values[field.name] && !(line.list === 'coverage' && field.name === 'subscriber.relation' && line.values[field.name] === 'oneself'));
  const short = fields.map((field) => {
    const text = valueText(t, field, line.values[field.name] ?? '');
    return field.kind === 'partial' || field.kind === 'date' || field.kind === 'line' && field.name !== 'reaction' && field.name !== 'dose' && field.name !== 'route' && field.name !== 'frequency' ? `${t(field.label)}: ${text}` : text;
  });
  return (
    <li data-error={line.inError || undefined}>
      <details>
        <summary>
          <span className={css.what}>{what}</span>
          <span className={css.quiet}>{short.join(' · ')}</span>
        </summary>
        <div className={css.more}>
          {line.values.note && <p className={css.note}>{line.values.note}</p>}
          {line.inError && <p>{t('chart.in_error.why', { reason: line.reason ?? '' })}</p>}
          <p className={css.quiet}>{line.changedBy ? t('chart.changed_by', { time: moment(lang, line.changedAt), name: line.changedBy }) : t('chart.changed', { time: moment(lang, line.changedAt) })}</p>
          <div className={css.buttons}>
            {mayWrite && !line.inError && <Button aria-label={t('chart.edit_of', { what })} onClick={() => onOpen('edit')}>{t('chart.edit')}</Button>}
            <Button aria-label={t('chart.history_of', { what })} onClick={() => onOpen('history')}>{t('chart.history')}</Button>
            {mayWrite && (line.inError
              ? <Button aria-label={t('chart.restore_of', { what })} onClick={() => onOpen('mark')}>{t('chart.restore')}</Button>
              : <Button kind="quiet" aria-label={t('chart.error_mark_of', { what })} onClick={() => onOpen('mark')}>{t('chart.error_mark')}</Button>)}
          </div>
        </div>
      </details>
    </li>
  );
}
