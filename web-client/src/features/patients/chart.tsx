// A patient's record on one page: who they are and what they are allergic to always in view, then list by list.

import { useQuery, useQueryClient } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { useState, type ReactNode } from 'react';
import { Problem } from '../../lib/api/client';
import { reading } from '../../lib/api/refetch';
import type { ClinicalLists, Insurance, Me, PatientRecord } from '../../lib/api/types';
import { calendarDate, today } from '../../lib/i18n/format';
import { useText } from '../../lib/i18n/text';
import { Button, Failed, Icon, Loading, Notice, Pill } from '../../lib/ui';
import { useTitle } from '../../lib/ui/now';
import { AllergyPill } from './allergy-pill';
import { EmergencyNotice, EmergencyWayIn } from './closed-record';
import { AllergyStatement } from './allergy-statement';
import { DemographicsDialog } from './demographics-dialog';
import { age, linesOf, wholeName } from './demographics-text';
import { Documents } from './documents';
import { DemographicsHistoryDialog } from './history-dialog';
import { ListSection } from './list-section';
import { isCurrent, lineOfClinical, lineOfCoverage, type Line, type ListName } from './lists';
import { Merged } from './merged';
import css from './patients.module.css';
import { People } from './people';
import { exportsRecords, mergesPatients, readsClinical, readsInsurance, writesClinical, writesDemographics, writesInsurance } from './rights';
import { ExportDialog } from './export-dialog';

const CLINICAL: readonly ListName[] = ['medication', 'condition', 'immunization', 'procedure'];

export function Chart({ me, patientId }: { me: Me; patientId: string }) {
  const { data: record, error, refetch } = useQuery({ queryKey: ['patient', patientId], queryFn: reading<PatientRecord>(`/patients/${patientId}`) });
  if (!record) return error ? <Failed error={error} onRetry={() => void refetch()} /> : <Loading />;
  return <OneChart key={record.patient_id} me={me} record={record} asked={patientId} />;
}

function OneChart({ me, record, asked }: { me: Me; record: PatientRecord; asked: string }) {
  const { t } = useText();
  const queries = useQueryClient();
  const id = record.patient_id;
  const clinical = useQuery({ queryKey: ['patient', id, 'clinical'], queryFn: reading<ClinicalLists>(`/patients/${id}/clinical`), enabled: readsClinical(me.role) });
  const insurance = useQuery({ queryKey: ['patient', id, 'insurance'], queryFn: reading<Insurance>(`/patients/${id}/insurance`), enabled: readsInsurance(me.role) });
  const [exporting, setExporting] = useState(false);
  useTitle(`${t('chart.title', { name: wholeName(record.demographics) })} · ${me.clinic.name}`);
  const again = () => void queries.invalidateQueries({ queryKey: ['patient'] });
  const lines = clinical.data?.items.map(lineOfClinical);
  const coverages = insurance.data?.items.map(lineOfCoverage);
  const section = (list: ListName, of: Line[] | undefined, error: unknown, retry: () => void, mayWrite: boolean, above?: ReactNode) => (
    <ListSection key={list} list={list} patientId={id} lines={of?.filter((line) => line.list === list)} error={error} onRetry={retry} onChanged={again} mayWrite={mayWrite} above={above} />
  );
  const clinicalParts = readsClinical(me.role) && (noCare(clinical.error)
    ? <section className={css.card} aria-labelledby="no-care"><header><h2 id="no-care">{t('list.allergy')}, {t('list.medication').toLowerCase()}…</h2></header><p>{t('chart.no_care')}</p><EmergencyWayIn patientId={id} name={wholeName(record.demographics)} onOpened={again} /></section>
    : (
      <>
        {section('allergy', lines, clinical.error, () => void clinical.refetch(), writesClinical(me.role),
          clinical.data && <AllergyStatement patientId={id} statement={clinical.data.allergies} mayWrite={writesClinical(me.role)} onChanged={again} />)}
        {CLINICAL.map((list) => section(list, lines, clinical.error, () => void clinical.refetch(), writesClinical(me.role)))}
      </>
    ));
  return (
    <div className={css.page}>
      <Link to="/app/patients" className={css.back}><Icon name="left" /> {t('new.back')}</Link>
      <Head record={record} lines={lines} known={clinical.data?.allergies.known}>
        {exportsRecords(me.role) && !noCare(clinical.error) && <Button onClick={() => setExporting(true)}>{t('export.button')}</Button>}
      </Head>
      {asked !== id && <Notice live>{t('chart.moved')}</Notice>}
      {writesClinical(me.role) && <EmergencyNotice patientId={id} />}
      <div className={css.cards}>
        {clinicalParts}
        <About record={record} mayWrite={writesDemographics(me.role)} onChanged={again} />
        {readsInsurance(me.role) && !noCare(insurance.error) && section('coverage', coverages, insurance.error, () => void insurance.refetch(), writesInsurance(me.role))}
        <Documents patientId={id} />
        <People patientId={id} role={me.role} />
        {(record.aliases.length > 0 || mergesPatients(me.role)) && <Merged record={record} mayMerge={mergesPatients(me.role)} onChanged={again} />}
      </div>
      {exporting && <ExportDialog patientId={id} mrn={record.mrn} onClose={() => setExporting(false)} />}
    </div>
  );
}

/** Not found where the record itself was: this reader does not care for the patient. */
function noCare(error: unknown): boolean {
  return error instanceof Problem && error.status === 404;
}

function Head({ record, lines, known, children }: { record: PatientRecord; lines: Line[] | undefined; known: ClinicalLists['allergies']['known'] | undefined; children: ReactNode }) {
  const { t, lang } = useText();
  const who = record.demographics;
  const now = today();
  return (
    <header className={css.person}>
      <div>
        <h1>{wholeName(who)}</h1>
        <p className={css.facts}>
          {who.preferred_name && <span>{t('chart.called', { name: who.preferred_name })}</span>}
          <span>{age(t, who.date_of_birth, now)}</span>
          <span>{calendarDate(lang, who.date_of_birth)}</span>
          {who.pronouns && <span>{who.pronouns}</span>}
          <span>{t('chart.mrn', { mrn: record.mrn })}</span>
        </p>
      </div>
      <div className={css.tools}>{children}</div>
      <p className={css.flags}>
        {known && lines && <AllergyPill known={known} lines={lines.filter((line) => isCurrent(line, now))} />}
        {who.interpreter_needed && <Pill>{t('chart.interpreter')}</Pill>}
      </p>
    </header>
  );
}

function About({ record, mayWrite, onChanged }: { record: PatientRecord; mayWrite: boolean; onChanged: () => void }) {
  const { t, lang } = useText();
  const queries = useQueryClient();
  const [open, setOpen] = useState<'edit' | 'history' | null>(null);
  const name = wholeName(record.demographics);
  return (
    <section className={`${css.card} ${css.tall}`} aria-labelledby="about">
      <header>
        <h2 id="about">{t('chart.about')}</h2>
        <div>
          <Button kind="quiet" aria-label={t('chart.history_of', { what: name })} onClick={() => setOpen('history')}>{t('chart.history')}</Button>
          {mayWrite && <Button kind="quiet" aria-label={t('chart.edit_of', { what: name })} onClick={() => setOpen('edit')}>{t('chart.edit')}</Button>}
        </div>
      </header>
      <dl className={css.details}>
        {linesOf(t, lang, record.demographics).map(([label, text]) => <div key={label}><dt>{label}</dt><dd>{text}</dd></div>)}
      </dl>
      {open === 'edit' && (
        <DemographicsDialog record={record} onClose={() => { setOpen(null); onChanged(); }} onSaved={(saved) => {
          queries.setQueryData(['patient', record.patient_id], saved);
          setOpen(null);
          onChanged();
        }} />
      )}
      {open === 'history' && <DemographicsHistoryDialog patientId={record.patient_id} name={name} onClose={() => setOpen(null)} />}
    </section>
  );
}
