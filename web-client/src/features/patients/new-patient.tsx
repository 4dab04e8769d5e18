// Putting somebody on record. Who could be on record already is shown before anything is saved.

import { useQueryClient } from '@tanstack/react-query';
import { Link, useNavigate } from '@tanstack/react-router';
import { useEffect, useRef, useState, type FormEvent } from 'react';
import { post, Problem } from '../../lib/api/client';
import type { Candidates, CreatedPatient, Me } from '../../lib/api/types';
import { calendarDate } from '../../lib/i18n/format';
import { useText } from '../../lib/i18n/text';
import { Button, ErrorText, Icon, problemText, TextField } from '../../lib/ui';
import { useTitle } from '../../lib/ui/now';
import { DemographicsFields, draftOf, ofDraft } from './demographics-form';
import { shownName } from './demographics-text';
import { invalidText } from './entry-text';
import css from './patients.module.css';

export function NewPatient({ me }: { me: Me }) {
  const { t, lang } = useText();
  const navigate = useNavigate();
  const queries = useQueryClient();
  const [draft, setDraft] = useState(() => draftOf());
  const [mrn, setMrn] = useState('');
  const [tried, setTried] = useState(false);
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<unknown>(null);
  const [alike, setAlike] = useState<Candidates['items']>([]);
  const warning = useRef<HTMLElement>(null);
  // One key per set of values: pressing twice puts one person on record.
  const key = useRef({ of: '', is: '' });
  useTitle(`${t('new.title')} · ${me.clinic.name}`);
  useEffect(() => {
    if (alike.length > 0) warning.current?.focus();
  }, [alike]);

  const submit = async (event: FormEvent | null, despite: boolean) => {
    event?.preventDefault();
    setTried(true);
    setError(null);
    setAlike([]);
    if (busy || !draft.name.family.trim() || !draft.date_of_birth) return;
    setBusy(true);
    const demographics = ofDraft(draft);
    const body = { demographics, ...(mrn.trim() ? { mrn: mrn.trim() } : {}), despite_duplicates: despite };
    const of = JSON.stringify(body);
    if (key.current.of !== of) key.current = { of, is: crypto.randomUUID() };
    try {
      const created = await post<CreatedPatient>('/patients', body, { idempotencyKey: key.current.is });
      void queries.invalidateQueries({ queryKey: ['patients'] });
      await navigate({ to: '/app/patients/$patientId', params: { patientId: created.patient_id } });
    } catch (problem) {
      if (problem instanceof Problem && problem.code === 'patient.possible_duplicate') {
        await post<Candidates>('/patients/duplicates', { name: shownName(demographics), date_of_birth: draft.date_of_birth })
          .then((found) => setAlike(found.items), setError);
      } else setError(problem);
      setBusy(false);
    }
  };

  const invalid = error instanceof Problem && error.more.field ? { field: String(error.more.field), text: invalidText(error) } : null;
  const mrnError = error instanceof Problem && error.code === 'patient.mrn_taken' ? error.detail : invalid?.field === 'mrn' ? invalid.text : '';
  return (
    <div className={css.narrow}>
      <Link to="/app/patients" className={css.back}><Icon name="left" /> {t('new.back')}</Link>
      <header><h1>{t('new.title')}</h1><p className={css.quiet}>{t('new.intro')}</p></header>
      <form noValidate onSubmit={(event) => void submit(event, false)} className={css.form}>
        <DemographicsFields draft={draft} onChange={setDraft} tried={tried} invalid={invalid} />
        <TextField label={t('new.mrn')} hint={t('new.mrn.hint')} value={mrn} maxLength={40} autoComplete="off" error={mrnError} onChange={(event) => setMrn(event.target.value)} />
        {alike.length > 0 && (
          <section ref={warning} tabIndex={-1} className={css.alike} aria-labelledby="alike">
            <h2 id="alike">{t('new.alike')}</h2>
            <p>{t('new.alike.body')}</p>
            <ul>
              {alike.map((one) => (
                <li key={one.patient_id}>
                  <span><strong>{one.name}</strong> <span className={css.quiet}>{calendarDate(lang, one.date_of_birth)} · {one.mrn}</span></span>
                  <a href={`/app/patients/${one.patient_id}`} target="_blank" rel="noopener">{t('new.alike.open', { name: one.name })}</a>
                </li>
              ))}
            </ul>
            <Button onClick={() => void submit(null, true)}>{t('new.alike.another')}</Button>
          </section>
        )}
        {error !== null && !mrnError && <ErrorText>{invalid ? `${problemText(t, error)} ${invalid.text}` : problemText(t, error)}</ErrorText>}
        <div className={css.buttons}><Button type="submit" kind="primary" large busy={busy}>{t('new.submit')}</Button></div>
      </form>
    </div>
  );
}
