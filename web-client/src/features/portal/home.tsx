// Home: what is to come first, then what was, then the rest of the record, one link each.

import { useState, type ReactNode } from 'react';
import { post } from '../../lib/api/client';
import type { PortalVisit } from '../../lib/api/types';
import { clockWithZone, day } from '../../lib/i18n/format';
import { useText, type TextKey } from '../../lib/i18n/text';
import { Button, ErrorText, Icon, Pill, problemText, SelectField } from '../../lib/ui';
import { PatientPage } from '../join/page';
import { PortalLink, Shown, type PageProps, type Person } from './page';
import css from './portal.module.css';
import { useReading } from './reading';

const MORE: readonly { to: string; key: TextKey; icon: 'person' | 'note' | 'check' | 'search' | 'lock' }[] = [
  { to: '/details', key: 'portal.details.title', icon: 'person' },
  { to: '/documents', key: 'portal.documents.title', icon: 'note' },
  { to: '/export', key: 'portal.export.title', icon: 'note' },
  { to: '/consents', key: 'portal.consents.title', icon: 'check' },
  { to: '/history', key: 'portal.history.title', icon: 'search' },
  { to: '/security', key: 'portal.security.title', icon: 'lock' },
];

export function Home({ clinic, person, timeZone, people, onChoose, signOut }: PageProps & { people: Person[]; onChoose: (patient: string) => void; signOut: ReactNode }) {
  const { t } = useText();
  const reading = useReading<{ items: PortalVisit[] }>(`/portal/patients/${person.patient_id}/visits`);
  return (
    <PatientPage clinic={clinic} title={t('portal.hello', { name: person.name })}>
      {people.length > 1 && (
        <SelectField label={t('portal.choose')} value={person.patient_id} onChange={(event) => onChoose(event.target.value)}>
          {people.map((one) => <option key={one.patient_id} value={one.patient_id}>{one.oneself ? t('portal.oneself', { name: one.name }) : one.name}</option>)}
        </SelectField>
      )}
      <Shown reading={reading}>{({ items }) => <Visits items={items} patient={person.patient_id} timeZone={timeZone} />}</Shown>
      <nav aria-label={t('portal.more')}>
        <ul className={css.more}>
          {MORE.map(({ to, key, icon }) => <li key={to}><PortalLink to={to} className={css.entry}><Icon name={icon} /><span>{t(key)}</span><Icon name="right" /></PortalLink></li>)}
        </ul>
      </nav>
      {signOut}
    </PatientPage>
  );
}

function Visits({ items, patient, timeZone }: { items: PortalVisit[]; patient: string; timeZone: string }) {
  const { t } = useText();
  const [now] = useState(() => Date.now());
  const over = (visit: PortalVisit) => visit.state === 'ended' || visit.state === 'cancelled' || visit.state === 'no_show' || (!visit.can_join && Date.parse(visit.ends_at) < now);
  const coming = items.filter((visit) => !over(visit)).reverse();
  const past = items.filter(over);
  return (
    <>
      <section aria-labelledby="coming" className={css.section}>
        <h2 id="coming">{t('portal.coming')}</h2>
        {coming.length === 0 && <p className={css.quiet}>{t('portal.coming.none')}</p>}
        <ul className={css.visits}>{coming.map((visit) => <Coming key={visit.visit_id} {...{ visit, patient, timeZone }} />)}</ul>
      </section>
      {past.length > 0 && (
        <section aria-labelledby="past" className={css.section}>
          <h2 id="past">{t('portal.past')}</h2>
          <ul className={css.visits}>{past.map((visit) => <Past key={visit.visit_id} {...{ visit, timeZone }} />)}</ul>
        </section>
      )}
    </>
  );
}

function When({ visit, timeZone }: { visit: PortalVisit; timeZone: string }) {
  const { t, lang } = useText();
  const date = new Intl.DateTimeFormat('en-CA', { timeZone, year: 'numeric', month: '2-digit', day: '2-digit' }).format(new Date(visit.starts_at));
  return (
    <>
      <h3><time dateTime={visit.starts_at}>{day(lang, date)}, {clockWithZone(lang, visit.starts_at, timeZone)}</time></h3>
      <p className={css.quiet}>{t(`portal.visit.${visit.visit_type}`, { provider: visit.provider_name })}</p>
    </>
  );
}

function Coming({ visit, patient, timeZone }: { visit: PortalVisit; patient: string; timeZone: string }) {
  const { t, lang } = useText();
  const [error, setError] = useState('');
  const [busy, setBusy] = useState(false);
  const join = async () => {
    setBusy(true);
    setError('');
    try {
      const { link } = await post<{ link: string }>(`/portal/visits/${visit.visit_id}/join?patient=${patient}`);
      location.assign(new URL(link).pathname);
    } catch (problem) {
      setError(problemText(t, problem));
      setBusy(false);
    }
  };
  return (
    <li className={css.card}>
      <When visit={visit} timeZone={timeZone} />
      {visit.can_join && <Button kind="primary" large wide icon="camera" busy={busy} onClick={() => void join()}>{t('portal.join')}</Button>}
      {!visit.can_join && visit.visit_type === 'video' && <p>{t('portal.join.later', { time: clockWithZone(lang, visit.joinable_from, timeZone) })}</p>}
      {visit.visit_type === 'phone' && <p>{t('portal.phone')}</p>}
      {error && <ErrorText>{error}</ErrorText>}
    </li>
  );
}

function Past({ visit, timeZone }: { visit: PortalVisit; timeZone: string }) {
  const { t } = useText();
  return (
    <li className={css.card}>
      <When visit={visit} timeZone={timeZone} />
      {visit.state === 'cancelled' && <p><Pill>{t('portal.cancelled')}</Pill></p>}
      {(visit.has_note || visit.has_recording) && <PortalLink to={`/visits/${visit.visit_id}`} className={css.entry}><Icon name={visit.has_note ? 'note' : 'play'} /><span>{t(visit.has_note ? 'portal.note.read' : 'portal.recording.play')}</span><Icon name="right" /></PortalLink>}
      {!visit.has_note && visit.state === 'ended' && <p className={css.quiet}>{t('portal.note.none')}</p>}
    </li>
  );
}
