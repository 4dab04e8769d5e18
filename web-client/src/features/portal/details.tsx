// What the clinic knows of a patient, in plain words; where the patient is reached can be changed here.

import { useState, type FormEvent } from 'react';
import { call, get, Problem } from '../../lib/api/client';
import type { ClinicalLists, Insurance, NewEmail, PatientRecord } from '../../lib/api/types';
import { moment, today } from '../../lib/i18n/format';
import { useText } from '../../lib/i18n/text';
import { Button, ErrorText, Notice, problemText } from '../../lib/ui';
import { ContactFields } from '../patients/contact-fields';
import { draftOf, ofDraft } from '../patients/demographics-form';
import { DETAILS, detailText, type Detail } from '../patients/demographics-text';
import { invalidText } from '../patients/entry-text';
import { isCurrent, lineOfClinical, lineOfCoverage, LISTS, titleOf, valueText, type Line, type ListName } from '../patients/lists';
import { Inner, Shown, type PageProps } from './page';
import css from './portal.module.css';
import { useReading } from './reading';

const CONTACT: readonly Detail[] = ['phones', 'emails', 'addresses'];
const CLINICAL = ['allergy', 'medication', 'condition', 'immunization', 'procedure'] as const;

export function Details({ clinic, person, timeZone }: PageProps) {
  const { t } = useText();
  const of = `/portal/patients/${person.patient_id}`;
  const record = useReading<PatientRecord>(`${of}/details`);
  const insurance = useReading<Insurance>(`${of}/insurance`);
  const clinical = useReading<ClinicalLists>(`${of}/clinical`);
  return (
    <Inner clinic={clinic} person={person} title={t('portal.details.title')} lead={t('portal.details.lead')}>
      <Shown reading={record}>{(stored) => <Person of={of} stored={stored} />}</Shown>
      <Shown reading={insurance}>{({ items }) => <List list="coverage" lines={items.map(lineOfCoverage)} timeZone={timeZone} />}</Shown>
      <Shown reading={clinical}>{({ allergies, items }) => CLINICAL.map((list) => (
        <List key={list} list={list} lines={items.map(lineOfClinical)} timeZone={timeZone}
          none={list !== 'allergy' || allergies.known === 'listed' ? undefined : t(allergies.known === 'none_known' ? 'portal.details.allergies.none' : 'portal.details.allergies.ask')} />
      ))}</Shown>
      <p>{t('portal.details.wrong', { clinic: clinic.name })}</p>
    </Inner>
  );
}

function Person({ of, stored }: { of: string; stored: PatientRecord }) {
  const { t, lang } = useText();
  const [record, setRecord] = useState(stored);
  const [editing, setEditing] = useState(false);
  const [saved, setSaved] = useState(false);
  const waiting = useReading<NewEmail>(`${of}/new-email`);
  const done = (changed: PatientRecord) => {
    setRecord(changed);
    setEditing(false);
    setSaved(true);
    waiting.again();
  };
  return (
    <>
      <section aria-labelledby="contact" className={css.section}>
        <h2 id="contact">{t('portal.details.contact')}</h2>
        {saved && !editing && <Notice tone="accent" live>{t('portal.details.saved')}</Notice>}
        {waiting.data?.address && !editing && <Notice live title={t('portal.email.waiting')}>{t('portal.email.waiting.body', { email: waiting.data.address, time: moment(lang, waiting.data.expires_at ?? '') })}</Notice>}
        {editing ? <Contact of={of} record={record} onSaved={done} onCancel={() => setEditing(false)} /> : (
          <>
            <Facts record={record} details={CONTACT} />
            <Button large wide onClick={() => setEditing(true)}>{t('portal.details.contact.change')}</Button>
          </>
        )}
      </section>
      <section aria-labelledby="who" className={css.section}>
        <h2 id="who">{t('portal.details.who')}</h2>
        <Facts record={record} details={DETAILS.filter((detail) => !CONTACT.includes(detail))} />
      </section>
    </>
  );
}

function Facts({ record, details }: { record: PatientRecord; details: readonly Detail[] }) {
  const { t, lang } = useText();
  const facts = details.map((detail) => [detail, detailText(t, lang, record.demographics, detail)] as const).filter(([, text]) => text !== '');
  if (facts.length === 0) return <p className={css.quiet}>{t('portal.details.none')}</p>;
  return <dl className={css.facts}>{facts.map(([detail, text]) => <div key={detail}><dt>{t(`who.${detail}`)}</dt><dd>{text}</dd></div>)}</dl>;
}

function Contact({ of, record, onSaved, onCancel }: { of: string; record: PatientRecord; onSaved: (record: PatientRecord) => void; onCancel: () => void }) {
  const { t } = useText();
  const [draft, setDraft] = useState(() => draftOf(record.demographics));
  const [version, setVersion] = useState(record.version);
  const [theirs, setTheirs] = useState<PatientRecord | null>(null);
  const [error, setError] = useState<unknown>(null);
  const [busy, setBusy] = useState(false);
  const submit = async (event: FormEvent) => {
    event.preventDefault();
    if (busy) return;
    setBusy(true);
    setError(null);
    try {
      const { phones, emails, addresses } = ofDraft(draft);
      onSaved((await call<PatientRecord>(`${of}/contact`, { method: 'PUT', ifMatch: `"${version}"`, body: { phones, emails, addresses } })).body);
    } catch (problem) {
      const stored = problem instanceof Problem && problem.code === 'chart.changed_elsewhere' ? await get<PatientRecord>(`${of}/details`).catch(() => null) : null;
      setTheirs(stored);
      if (stored) setVersion(stored.version);
      else setError(problem);
      setBusy(false);
    }
  };
  const invalid = error instanceof Problem && error.more.field ? { field: String(error.more.field), text: invalidText(error) } : null;
  return (
    <form noValidate onSubmit={(event) => void submit(event)} className={css.form}>
      {theirs && <Notice tone="warn" title={t('form.changed_elsewhere')} live><Facts record={theirs} details={CONTACT} /><p>{t('form.changed_elsewhere.again')}</p></Notice>}
      <p>{t('portal.details.email')}</p>
      <ContactFields draft={draft} onChange={(change) => setDraft({ ...draft, ...change })} invalid={invalid} />
      {error !== null && <ErrorText>{invalid ? `${problemText(t, error)} ${invalid.text}` : problemText(t, error)}</ErrorText>}
      <Button type="submit" kind="primary" large wide busy={busy}>{t('form.save')}</Button>
      <Button large wide onClick={onCancel}>{t('cancel')}</Button>
    </form>
  );
}

function List({ list, lines, none, timeZone }: { list: ListName; lines: Line[]; none?: string | undefined; timeZone: string }) {
  const { t } = useText();
  const now = today(timeZone);
  const mine = lines.filter((line) => line.list === list && !line.inError);
  const current = mine.filter((line) => isCurrent(line, now));
  const past = mine.filter((line) => !isCurrent(line, now));
  return (
    <section aria-labelledby={list} className={css.section}>
      <h2 id={list}>{t(`list.${list}`)}</h2>
      {none && <p>{none}</p>}
      {!none && mine.length === 0 && <p className={css.quiet}>{t('portal.details.none')}</p>}
      {current.length > 0 && <Entries lines={current} />}
      {past.length > 0 && <><h3>{t('portal.details.past')}</h3><Entries lines={past} /></>}
    </section>
  );
}

/** Codes are for machines: they are in the download. */
const CODES: readonly string[] = ['icd10', 'rxnorm', 'cvx'];

function Entries({ lines }: { lines: Line[] }) {
  const { t } = useText();
  return (
    <ul className={css.visits}>
      {lines.map((line) => (
        <li key={line.id} className={css.card}>
          <h3>{titleOf(line)}</h3>
          <dl className={css.facts}>
            {LISTS[line.list].slice(1).filter((field) => line.values[field.name] && !CODES.includes(field.name)).map((field) => (
              <div key={field.name}><dt>{t(field.label)}</dt><dd>{valueText(t, field, line.values[field.name] ?? '')}</dd></div>
            ))}
          </dl>
        </li>
      ))}
    </ul>
  );
}
