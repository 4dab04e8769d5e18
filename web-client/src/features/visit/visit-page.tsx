// One visit on one page: before and during it the stage with the note beside it; afterwards what happened and the recordings.

import { useQuery, useQueryClient } from '@tanstack/react-query';
import { useCallback, useState, type ReactNode } from 'react';
import type { LinkEnd } from '../../call/link';
import { reading } from '../../lib/api/refetch';
import type { Me, Visit } from '../../lib/api/types';
import { calendarDate, duration, moment } from '../../lib/i18n/format';
import { useText, type TextKey } from '../../lib/i18n/text';
import { classes, Failed, Icon, Loading, Notice, Pill } from '../../lib/ui';
import { useTitle } from '../../lib/ui/now';
import { VisitSummary } from '../patients/visit-summary';
import { maySee } from '../session/session';
import { HostStage, useHostCall } from './host-call';
import { Note } from './note';
import { Recordings } from './recordings';
import { Timeline } from './timeline';
import css from './visit.module.css';

export function VisitPage({ visitId, me }: { visitId: string; me: Me }) {
  const { data: visit, error, refetch } = useQuery({ queryKey: ['clinic', 'visit', visitId], queryFn: reading<Visit>(`/visits/${visitId}`) });
  if (!visit) return error ? <Failed error={error} onRetry={() => void refetch()} /> : <Loading />;
  return <OneVisit key={visitId} visit={visit} me={me} />;
}

function OneVisit({ visit, me }: { visit: Visit; me: Me }) {
  const { t } = useText();
  const queries = useQueryClient();
  const hosts = me.role === 'provider' || me.role === 'nurse';
  const [endedHere, setEndedHere] = useState(false);
  const over = visit.state === 'ended' || visit.state === 'cancelled' || visit.state === 'no_show' || endedHere;
  const { call, again } = useHostCall(visit.visit_id, hosts && !over);
  const onEnded = useCallback((why: LinkEnd) => {
    if (why === 'visit_ended') setEndedHere(true);
    void queries.invalidateQueries({ queryKey: ['clinic'] });
  }, [queries]);
  const [tab, setTab] = useState<'video' | 'note'>('video');
  useTitle(t('visit.title', { name: visit.patient.name }));
  const onAir = hosts && !over;
  // A colleague who was asked into this one visit: the room is open to them, the record is not.
  const askedIn = hosts && !visit.sees_note;

  return (
    <div className={css.page} data-over={onAir ? undefined : ''}>
      <Head visit={visit} over={over} />
      {onAir && <TabList tab={tab} setTab={setTab} />}
      <div className={classes(css.left, tab !== 'video' && onAir && css.offOnPhone)} id="panel-video">
        {onAir ? (call ? <HostStage call={call} visit={visit} onEnded={onEnded} again={again} mayInvite={!askedIn} /> : <Loading />) : askedIn ? <Notice>{t('visit.asked_in.over')}</Notice> : <After visit={visit} />}
      </div>
      <div className={classes(css.right, tab !== 'note' && onAir && css.offOnPhone)} id="panel-note">
        <Details visit={visit} />
        {askedIn
          ? <Notice title={t('visit.asked_in')}>{t('visit.asked_in.body', { provider: visit.provider_name })}</Notice>
          : (
            <>
              {maySee(me.role, 'patients') && <VisitSummary patientId={visit.patient.patient_id} role={me.role} />}
              <Note visit={visit.visit_id} mayWrite={hosts} />
            </>
          )}
      </div>
    </div>
  );
}

function Head({ visit, over }: { visit: Visit; over: boolean }) {
  const { t, lang } = useText();
  return (
    <header className={css.head}>
      <h1>{visit.patient.name}</h1>
      <p>{t('visit.born', { date: calendarDate(lang, visit.patient.date_of_birth) })}</p>
      <p>{t('visit.planned', { time: moment(lang, visit.starts_at) })}</p>
      {over && <Pill tone={visit.state === 'cancelled' ? 'plain' : visit.state === 'no_show' ? 'warn' : 'accent'} icon={visit.state === 'no_show' ? 'clock' : 'check'}>{visit.state === 'cancelled' || visit.state === 'no_show' ? t(`state.${visit.state}`) : t('state.ended')}</Pill>}
    </header>
  );
}

/** On a phone the picture and the note take turns; the call goes on behind the note. */
function TabList({ tab, setTab }: { tab: 'video' | 'note'; setTab: (tab: 'video' | 'note') => void }) {
  const { t } = useText();
  const tabs = [['video', 'visit.tab.video'], ['note', 'visit.tab.note']] as const satisfies readonly (readonly [string, TextKey])[];
  return (
    <div className={css.tabs} role="tablist" aria-label={t('visit.details')}>
      {tabs.map(([name, key]) => (
        <button
          key={name} type="button" role="tab" id={`tab-${name}`} aria-controls={`panel-${name}`} aria-selected={tab === name} tabIndex={tab === name ? 0 : -1}
          onClick={() => setTab(name)}
          onKeyDown={(event) => {
            if (event.key !== 'ArrowLeft' && event.key !== 'ArrowRight') return;
            const other = name === 'video' ? 'note' : 'video';
            setTab(other);
            document.getElementById(`tab-${other}`)?.focus();
          }}
        >
          {t(key)}
        </button>
      ))}
    </div>
  );
}

function Details({ visit }: { visit: Visit }) {
  const { t, lang } = useText();
  const { location } = visit.patient;
  return (
    <details className={css.details}>
      <summary><span>{visit.reason || t('visit.details')}</span><Icon name="right" /></summary>
      <dl>
        <Fact label={t('visit.location')}>{location ? location.region : t('visit.location.none')}</Fact>
        {location && <Fact label={t('visit.callback')}><a href={`tel:${location.callback_phone.replace(/[^\d+]/g, '')}`}>{location.callback_phone}</a></Fact>}
        {location && <Fact label={t('visit.emergency')}>{location.emergency_address}</Fact>}
        <Fact label={t('visit.consent')}>{visit.consent ? t('visit.consent.given', { time: moment(lang, visit.consent.accepted_at) }) : t('visit.consent.none')}</Fact>
      </dl>
    </details>
  );
}

function Fact({ label, children }: { label: string; children: ReactNode }) {
  return <div><dt>{label}</dt><dd>{children}</dd></div>;
}

function After({ visit }: { visit: Visit }) {
  const { t, lang } = useText();
  return (
    <div className={css.after}>
      {visit.state === 'cancelled' && <Notice>{t('visit.cancelled')}</Notice>}
      {visit.started_at && (
        <p className={css.times}>
          {t('visit.started', { time: moment(lang, visit.started_at) })}
          {visit.ended_at && <> · {t('visit.ended_at', { time: moment(lang, visit.ended_at) })} · {duration(lang, Date.parse(visit.ended_at) - Date.parse(visit.started_at))}</>}
        </p>
      )}
      <Recordings visitId={visit.visit_id} />
      <Timeline visitId={visit.visit_id} />
    </div>
  );
}
