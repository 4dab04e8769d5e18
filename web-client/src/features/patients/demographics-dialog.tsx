// Changing who a patient is.

import { useState, type FormEvent } from 'react';
import { call, Problem } from '../../lib/api/client';
import type { PatientRecord } from '../../lib/api/types';
import { useText } from '../../lib/i18n/text';
import { Button, Dialog, ErrorText, Notice, problemText } from '../../lib/ui';
import { DemographicsFields, draftOf, ofDraft } from './demographics-form';
import { linesOf, shownName } from './demographics-text';
import { invalidText } from './entry-text';
import css from './patients.module.css';

export function DemographicsDialog({ record, onClose, onSaved }: { record: PatientRecord; onClose: () => void; onSaved: (record: PatientRecord) => void }) {
  const { t, lang } = useText();
  const [before] = useState(() => draftOf(record.demographics));
  const [draft, setDraft] = useState(before);
  const [version, setVersion] = useState(record.version);
  const [tried, setTried] = useState(false);
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<unknown>(null);
  const [theirs, setTheirs] = useState<PatientRecord | null>(null);
  const [leaving, setLeaving] = useState(false);
  const changed = JSON.stringify(draft) !== JSON.stringify(before);
  const close = () => (changed && !leaving ? setLeaving(true) : onClose());

  const submit = async (event: FormEvent) => {
    event.preventDefault();
    setTried(true);
    setError(null);
    if (busy || !draft.name.family.trim() || !draft.date_of_birth) return;
    setBusy(true);
    try {
      onSaved((await call<PatientRecord>(`/patients/${record.patient_id}`, { method: 'PUT', ifMatch: `"${version}"`, body: ofDraft(draft) })).body);
    } catch (problem) {
      if (problem instanceof Problem && problem.code === 'chart.changed_elsewhere') {
        const stored = await call<PatientRecord>(`/patients/${record.patient_id}`).then((answer) => answer.body, () => null);
        setTheirs(stored);
        if (stored) setVersion(stored.version);
      } else setError(problem);
      setBusy(false);
    }
  };

  const invalid = error instanceof Problem && error.more.field ? { field: String(error.more.field), text: invalidText(error) } : null;
  const mine = new Map(linesOf(t, lang, ofDraft(draft)));
  return (
    <Dialog
      title={t('chart.edit_of', { what: shownName(record.demographics) })}
      onClose={close}
      actions={leaving
        ? <><Button onClick={() => setLeaving(false)}>{t('form.discard.no')}</Button><Button kind="danger" onClick={onClose}>{t('form.discard.yes')}</Button></>
        : <><Button onClick={close}>{t('cancel')}</Button><Button type="submit" form="who" kind="primary" busy={busy}>{t('form.save')}</Button></>}
    >
      {leaving && <Notice tone="warn" title={t('form.discard')} live>{t('form.discard.body')}</Notice>}
      {theirs && (
        <Notice tone="warn" title={t('form.changed_elsewhere')} live>
          <dl className={css.theirs}>
            {linesOf(t, lang, theirs.demographics).filter(([label, text]) => mine.get(label) !== text).map(([label, text]) => <div key={label}><dt>{label}</dt><dd>{text}</dd></div>)}
          </dl>
          <p>{t('form.changed_elsewhere.again')}</p>
        </Notice>
      )}
      <form id="who" noValidate onSubmit={(event) => void submit(event)} className={css.form}>
        <DemographicsFields draft={draft} onChange={setDraft} tried={tried} invalid={invalid} />
        {error !== null && <ErrorText>{invalid ? `${problemText(t, error)} ${invalid.text}` : problemText(t, error)}</ErrorText>}
      </form>
    </Dialog>
  );
}
