// The visit as its host holds it: the stage, who waits, and what only a host may do.

import { useEffect, useState } from 'react';
import { Call } from '../../call/call';
import type { LinkEnd, TicketAnswer } from '../../call/link';
import type { ParticipantView } from '../../call/wire';
import { post, Problem } from '../../lib/api/client';
import type { Ticket, Visit } from '../../lib/api/types';
import { duration } from '../../lib/i18n/format';
import { useText } from '../../lib/i18n/text';
import { Button, Dialog, Empty } from '../../lib/ui';
import { useNow, useWatched } from '../../lib/ui/now';
import { callRuns } from '../session/idle';
import { Control, Stage } from '../stage/stage';
import { InviteDialog } from './invite';
import css from './visit.module.css';

function signalUrl(): string {
  return `${location.protocol === 'https:' ? 'wss' : 'ws'}://${location.host}/signal`;
}

async function staffTicket(visit: string): Promise<TicketAnswer> {
  try {
    return await post<Ticket>(`/visits/${visit}/ticket`, undefined, { background: true });
  } catch (error) {
    if (error instanceof Problem) {
      if (error.status === 401) return { refused: 'signed_out' };
      if (error.code === 'visit.over') return { refused: 'visit_ended' };
      if (error.status === 403 || error.status === 404 || error.status === 409 || error.status === 410) return { refused: 'not_allowed' };
    }
    throw error;
  }
}

/** The host's call in a visit, for as long as the page shows it; null while it is being set up. `again` begins a new one after leaving. */
export function useHostCall(visit: string, on: boolean): { call: Call | null; again: () => void } {
  const [call, setCall] = useState<Call | null>(null);
  const [round, setRound] = useState(0);
  useEffect(() => {
    if (!on) return;
    const made = new Call({ url: signalUrl(), ticket: () => staffTicket(visit) });
    const over = callRuns();
    made.start();
    void made.devices.start();
    // A call is a thing of the world outside: it begins when the page is shown, not while it is drawn.
    // eslint-disable-next-line react-hooks/set-state-in-effect
    setCall(made);
    return () => {
      over();
      made.close();
      setCall(null);
    };
  }, [visit, on, round]);
  return { call, again: () => setRound((n) => n + 1) };
}

export function HostStage({ call, visit, onEnded, again, mayInvite }: { call: Call; visit: Visit; onEnded: (why: LinkEnd) => void; again: () => void; mayInvite: boolean }) {
  const { t } = useText();
  const { room, ended } = useWatched(call.state);
  const [ending, setEnding] = useState(false);
  const [inviting, setInviting] = useState(false);
  useEffect(() => {
    if (ended) onEnded(ended);
  }, [ended, onEnded]);

  if (ended) return <Over why={ended} again={again} />;
  const waiting = room?.participants.filter(({ phase }) => phase.is === 'waiting') ?? [];
  const checking = room?.participants.filter(({ phase }) => phase.is === 'checking_in') ?? [];
  const recording = room?.recording;
  const records = recording && recording.is !== 'off';
  return (
    <>
      <Stage
        call={call}
        onLeave={() => call.leave()}
        alone={waiting.length || checking.length ? null : <><h2>{t('visit.not_here', { name: visit.patient.name })}</h2><p>{t('visit.not_here.body')}</p></>}
        above={
          <>
            {waiting.map((one) => <WaitingCard key={one.participant} person={one} onAdmit={() => call.admit(one.participant)} />)}
            {checking.filter((one) => one.participant !== room?.you).map((one) => <p key={one.participant} className={css.checking} role="status">{t('visit.in_checking', { name: one.name })}</p>)}
          </>
        }
        personActions={(person) => (person.role === 'patient' || person.role === 'guardian' || person.role === 'interpreter' || person.role === 'specialist') && (
          <Button kind="stage" onClick={() => call.returnToWaiting(person.participant)} aria-description={person.name}>{t('visit.return')}</Button>
        )}
        controls={
          <>
            {records
              ? <Control icon="stop" on label={t('visit.stop_record')} onClick={() => call.stopRecording()} disabled={recording.is === 'stopping'} />
              : <Control icon="record" label={t('visit.record')} onClick={() => call.startRecording()} />}
            {mayInvite && <Control icon="person" label={t('visit.invite')} onClick={() => setInviting(true)} />}
            <Button kind="stageDanger" icon="close" onClick={() => setEnding(true)}>{t('visit.end')}</Button>
          </>
        }
      />
      {inviting && <InviteDialog visit={visit} room={room} onClose={() => setInviting(false)} />}
      {ending && (
        <Dialog
          title={t('visit.end.title')}
          onClose={() => setEnding(false)}
          actions={
            <>
              <Button onClick={() => setEnding(false)}>{t('visit.end.keep')}</Button>
              <Button
                kind="danger"
                onClick={() => {
                  setEnding(false);
                  call.endVisit();
                }}
              >
                {t('visit.end')}
              </Button>
            </>
          }
        >
          <p>{t('visit.end.body')}</p>
        </Dialog>
      )}
    </>
  );
}

function WaitingCard({ person, onAdmit }: { person: ParticipantView; onAdmit: () => void }) {
  const { t, lang } = useText();
  const now = useNow(1_000);
  const since = person.phase.is === 'waiting' ? person.phase.since : now;
  return (
    <div className={css.waiting}>
      <p role="status"><strong>{t('visit.in_waiting', { name: person.role === 'patient' ? person.name : `${person.name} (${t(`role.${person.role}`)})` })}</strong></p>
      <p>{t('visit.waiting_since', { duration: duration(lang, now - since) })}</p>
      <Button kind="primary" large onClick={onAdmit} aria-description={person.name}>{t('visit.admit')}</Button>
    </div>
  );
}

function Over({ why, again }: { why: LinkEnd; again: () => void }) {
  const { t } = useText();
  const text = () => {
    switch (why) {
      case 'left': return t('visit.left');
      case 'replaced': return t('visit.replaced');
      case 'room_full': return t('ended.room_full.body');
      case 'visit_ended': return t('ended.title');
      default: return t('ended.not_allowed.body');
    }
  };
  return (
    <div className={css.over}>
      <Empty icon="person" title={text()} action={why === 'visit_ended' ? undefined : <Button kind="primary" onClick={again}>{t('visit.rejoin')}</Button>} />
    </div>
  );
}
