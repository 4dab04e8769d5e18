// One entry of a list, entered or changed. What was typed stays, whatever the server says.

import { useState, type FormEvent } from 'react';
import { call, Problem } from '../../lib/api/client';
import type { ClinicalEntry, ClinicalLists, CoverageEntry, Insurance } from '../../lib/api/types';
import { useText, type Translate } from '../../lib/i18n/text';
import { Button, Dialog, ErrorText, Notice, problemText, SelectField, TextArea, TextField } from '../../lib/ui';
import { invalidText } from './entry-text';
import { documentOf, lineOfClinical, lineOfCoverage, LISTS, startOf, titleOf, valueText, type FieldKind, type Line, type ListName, type Values } from './lists';
import css from './patients.module.css';

interface Props { patientId: string; list: ListName; line: Line | null; onClose: () => void; onSaved: (line: Line) => void }

export function EntryDialog({ patientId, list, line, onClose, onSaved }: Props) {
  const { t } = useText();
  const [before] = useState(() => line?.values ?? startOf(list));
  const [values, setValues] = useState<Values>(before);
  const [id] = useState(() => line?.id ?? crypto.randomUUID());
  const [version, setVersion] = useState(line?.version ?? 0);
  const [tried, setTried] = useState(false);
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<unknown>(null);
  const [theirs, setTheirs] = useState<Line | null>(null);
  const [leaving, setLeaving] = useState(false);
  const fields = LISTS[list].filter((field) => !field.name.startsWith('subscriber.') || field.name === 'subscriber.relation' || values['subscriber.relation'] !== 'oneself');
  const changed = JSON.stringify(values) !== JSON.stringify(before);
  const missing = (field: FieldKind) => Boolean(field.required ?? false) && !values[field.name]?.trim();
  const close = () => (changed && !leaving ? setLeaving(true) : onClose());

  const submit = async (event: FormEvent) => {
    event.preventDefault();
    setTried(true);
    setError(null);
    if (busy || fields.some(missing)) return;
    setBusy(true);
    try {
      const shown = Object.fromEntries(fields.map((field) => [field.name, values[field.name] ?? '']));
      onSaved(await save(patientId, list, id, version, documentOf(list, shown)));
    } catch (problem) {
      if (problem instanceof Problem && problem.code === 'chart.changed_elsewhere') {
        const stored = await find(patientId, list, id).catch(() => null);
        setTheirs(stored);
        if (stored) setVersion(stored.version);
      } else setError(problem);
      setBusy(false);
    }
  };

  const fieldError = error instanceof Problem ? String(error.more.field ?? '') : '';
  return (
    <Dialog
      title={line ? t('chart.edit_of', { what: titleOf(line) }) : t('chart.add_to', { list: t(`list.${list}`) })}
      onClose={close}
      actions={leaving
        ? <><Button onClick={() => setLeaving(false)}>{t('form.discard.no')}</Button><Button kind="danger" onClick={onClose}>{t('form.discard.yes')}</Button></>
        : <><Button onClick={close}>{t('cancel')}</Button><Button type="submit" form="entry" kind="primary" busy={busy}>{t('form.save')}</Button></>}
    >
      {leaving && <Notice tone="warn" title={t('form.discard')} live>{t('form.discard.body')}</Notice>}
      {theirs && <Theirs theirs={theirs} mine={values} />}
      <form id="entry" noValidate onSubmit={(event) => void submit(event)} className={css.form}>
        {fields.map((field) => (
          <OneField key={field.name} field={field} value={values[field.name] ?? ''} t={t}
            error={tried && missing(field) ? t('form.missing') : fieldError === field.name ? invalidText(error) : ''}
            onChange={(value) => setValues((now) => ({ ...now, [field.name]: value }))} />
        ))}
        {error !== null && !fieldError && <ErrorText>{problemText(t, error)}</ErrorText>}
      </form>
    </Dialog>
  );
}

function OneField({ field, value, error, onChange, t }: { field: FieldKind; value: string; error: string; onChange: (value: string) => void; t: Translate }) {
  const label = t(field.label);
  if (field.kind === 'choice') {
    return (
      <SelectField label={label} value={value} error={error} onChange={(event) => onChange(event.target.value)}>
        {!field.required && <option value="">{t('field.optional')}</option>}
        {field.choices?.map((choice) => <option key={choice} value={choice}>{valueText(t, field, choice)}</option>)}
      </SelectField>
    );
  }
  if (field.kind === 'text') return <TextArea label={label} rows={3} maxLength={2000} value={value} error={error} onChange={(event) => onChange(event.target.value)} />;
  return (
    <TextField label={label} value={value} error={error} maxLength={120} autoComplete="off"
      type={field.kind === 'phone' ? 'tel' : field.kind === 'date' ? 'date' : 'text'}
      hint={field.kind === 'partial' ? t('field.partial.hint') : undefined}
      onChange={(event) => onChange(event.target.value)} />
  );
}

function Theirs({ theirs, mine }: { theirs: Line; mine: Values }) {
  const { t } = useText();
  const different = LISTS[theirs.list].filter((field) => (theirs.values[field.name] ?? '') !== (mine[field.name] ?? ''));
  return (
    <Notice tone="warn" title={t('form.changed_elsewhere')} live>
      <dl className={css.theirs}>
        {different.map((field) => <div key={field.name}><dt>{t(field.label)}</dt><dd>{valueText(t, field, theirs.values[field.name] ?? '') || t('history.empty_value')}</dd></div>)}
      </dl>
      <p>{t('form.changed_elsewhere.again')}</p>
    </Notice>
  );
}

async function save(patient: string, list: ListName, id: string, version: number, document: Record<string, unknown>): Promise<Line> {
  const ask = { method: 'PUT', ifMatch: `"${version}"` } as const;
  if (list === 'coverage') return lineOfCoverage((await call<CoverageEntry>(`/patients/${patient}/insurance/${id}`, { ...ask, body: document })).body);
  return lineOfClinical((await call<ClinicalEntry>(`/patients/${patient}/clinical/${id}`, { ...ask, body: { list, entry: document } })).body);
}

async function find(patient: string, list: ListName, id: string): Promise<Line | null> {
  const lines = list === 'coverage'
    ? (await call<Insurance>(`/patients/${patient}/insurance`)).body.items.map(lineOfCoverage)
    : (await call<ClinicalLists>(`/patients/${patient}/clinical`)).body.items.map(lineOfClinical);
  return lines.find((line) => line.id === id) ?? null;
}
