// Every version of something as what changed: before and after, newest first.

import { useQuery } from '@tanstack/react-query';
import { reading } from '../../lib/api/refetch';
import type { ClinicalHistory, CoverageHistory, DemographicsHistory } from '../../lib/api/types';
import { exactly } from '../../lib/i18n/format';
import { useText, type TextKey, type Translate } from '../../lib/i18n/text';
import { Button, Dialog, Failed, Loading } from '../../lib/ui';
import { linesOf } from './demographics-text';
import { flat, LISTS, titleOf, valueText, type Line, type ListName } from './lists';
import css from './patients.module.css';

/** Label and text of everything a version says. */
type Said = [label: string, text: string][];
interface Version { version: number; change: string; reason: string | null; at: string; by: string; said: Said }

export function EntryHistory({ patientId, line, onClose }: { patientId: string; line: Line; onClose: () => void }) {
  const { t } = useText();
  const where = line.list === 'coverage' ? 'insurance' : 'clinical';
  const { data, error, refetch } = useQuery({
    queryKey: ['patient', patientId, 'history', line.id],
    queryFn: reading<ClinicalHistory | CoverageHistory>(`/patients/${patientId}/${where}/${line.id}/history`),
    staleTime: 0,
  });
  const versions = data?.items.map((item) => {
    const document = 'document' in item ? item.document.entry : item.entry;
    return { version: item.version, change: item.change, reason: item.reason, at: item.at, by: author(t, item), said: said(t, line.list, document) };
  });
  return <Versions title={t('chart.history_of', { what: titleOf(line) })} {...{ versions, error, onClose }} onRetry={() => void refetch()} />;
}

export function DemographicsHistoryDialog({ patientId, name, onClose }: { patientId: string; name: string; onClose: () => void }) {
  const { t, lang } = useText();
  const { data, error, refetch } = useQuery({
    queryKey: ['patient', patientId, 'history', 'demographics'],
    queryFn: reading<DemographicsHistory>(`/patients/${patientId}/history`),
    staleTime: 0,
  });
  const versions = data?.items.map((item) => ({
    version: item.version, change: item.change, reason: null, at: item.at, by: author(t, item), said: linesOf(t, lang, item.demographics),
  }));
  return <Versions title={t('chart.history_of', { what: name })} {...{ versions, error, onClose }} onRetry={() => void refetch()} />;
}

function Versions({ title, versions, error, onClose, onRetry }: { title: string; versions: Version[] | undefined; error: unknown; onClose: () => void; onRetry: () => void }) {
  const { t, lang } = useText();
  return (
    <Dialog title={title} onClose={onClose} actions={<Button onClick={onClose}>{t('close')}</Button>}>
      {!versions && (error ? <Failed error={error} onRetry={onRetry} /> : <Loading />)}
      {versions?.length === 0 && <p>{t('history.kept_from')}</p>}
      <ol className={css.versions}>
        {versions?.map((version, at) => (
          <li key={version.version}>
            <h3>{t(`history.${version.change}` as TextKey)}</h3>
            <p className={css.quiet}>{t('history.by', { time: exactly(lang, version.at), name: version.by })}</p>
            {version.reason && <p>{version.reason}</p>}
            <Difference now={version.said} before={versions[at + 1]?.said ?? []} />
          </li>
        ))}
      </ol>
    </Dialog>
  );
}

function Difference({ now, before }: { now: Said; before: Said }) {
  const { t } = useText();
  const was = new Map(before);
  const is = new Map(now);
  const labels = [...new Set([...is.keys(), ...was.keys()])].filter((label) => (was.get(label) ?? '') !== (is.get(label) ?? ''));
  if (labels.length === 0) return before.length > 0 ? <p className={css.quiet}>{t('history.no_difference')}</p> : null;
  return (
    <dl className={css.difference}>
      {labels.map((label) => (
        <div key={label}>
          <dt>{label}</dt>
          <dd>
            {before.length > 0 && <del><span className="visually-hidden">{t('history.was')}: </span>{was.get(label) || t('history.empty_value')}</del>}
            <ins><span className="visually-hidden">{t('history.is')}: </span>{is.get(label) || t('history.empty_value')}</ins>
          </dd>
        </div>
      ))}
    </dl>
  );
}

function author(t: Translate, version: { by_name: string | null; by_kind: string }): string {
  return version.by_name ?? t(version.by_kind === 'patient' ? 'history.by.patient' : 'history.by.system');
}

function said(t: Translate, list: ListName, document: object): Said {
  const values = flat(list, document);
  return LISTS[list].map((field): [string, string] => [t(field.label), valueText(t, field, values[field.name] ?? '')]).filter(([, text]) => text !== '');
}
