// The day: who waits longest stands first and largest, then what is still to come, then what is done.

import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { lazy, Suspense, useMemo, useState, type ReactNode } from 'react';
import { reading } from '../../lib/api/refetch';
import type { Me, QueueItem, QueueProvider, Today as TodayData, TodayItem, VisitState } from '../../lib/api/types';
import { clock, day, duration, today as dayIn, zoneName } from '../../lib/i18n/format';
import { useText } from '../../lib/i18n/text';
import { Button, buttonLook, Empty, Failed, Icon, Loading, Notice, Pill, TextField, type Tone } from '../../lib/ui';
import { useNow, useTitle, useWatched } from '../../lib/ui/now';
import { live } from '../session/events';
import { maySee } from '../session/session';
import { useArrivals } from '../waiting/arrivals';
import { QueueBar } from '../waiting/bar';
import { ChatDialog, DeclineDialog, DeedButton, HoldDialog, MoveDialog, type Asked } from '../waiting/dialogs';
import { byVisit, queueQuery } from '../waiting/queue';
import { StandingPills } from '../waiting/standing';
import { LinkDialog } from './link-dialog';
import css from './today.module.css';

const Booking = lazy(() => import('./booking').then((file) => ({ default: file.Booking })));

export function Today({ me }: { me: Me }) {
  const { t, lang } = useText();
  const zone = me.clinic.time_zone;
  const [date, setDate] = useState(() => dayIn(zone));
  const [booking, setBooking] = useState(false);
  const [linkFor, setLinkFor] = useState<TodayItem | null>(null);
  const connected = useWatched(live);
  useTitle(`${t('today.title')} · ${me.clinic.name}`);
  const { data, error, refetch } = useQuery({ queryKey: ['clinic', 'today', date], queryFn: reading<TodayData>(`/today?date=${date}`) });
  const isToday = date === dayIn(zone);
  const { data: board, error: boardError, refetch: refetchBoard } = useQuery(queueQuery);
  const queued = useMemo(() => byVisit(board), [board]);
  // Whoever waits, whatever day is shown.
  useArrivals(useMemo(() => board?.items.filter((item) => item.waiting_since).map((item) => item.visit_id) ?? null, [board]));
  const [asked, setAsked] = useState<{ what: Asked; visit: string } | null>(null);
  const greets = GREETS.has(me.role);

  const items = data?.items ?? [];
  const waiting = items.filter((item) => item.state === 'waiting').sort(inLine(queued));
  const later = items.filter((item) => item.state === 'booked' || item.state === 'checking_in' || item.state === 'in_visit').sort(by((item) => item.starts_at));
  const done = items.filter((item) => item.state === 'ended' || item.state === 'cancelled' || item.state === 'no_show').sort(by((item) => item.starts_at));
  const row = (item: TodayItem) => <Row key={item.visit_id} item={item} queue={queued.get(item.visit_id)} me={me} onLink={() => setLinkFor(item)} />;
  const about = asked && { item: queued.get(asked.visit), name: items.find((one) => one.visit_id === asked.visit)?.patient_name ?? '', onClose: () => setAsked(null) };

  return (
    <div className={css.page}>
      <header className={css.head}>
        <div>
          <h1>{isToday ? t('today.title') : day(lang, date)}</h1>
          <p>{isToday && <>{day(lang, date)} · </>}{t('today.zone', { zone: zoneName(lang) })}</p>
        </div>
        <div className={css.tools}>
          <div className={css.dates}>
            <Button kind="quiet" icon="left" aria-label={t('today.previous')} onClick={() => setDate(shift(date, -1))} />
            <TextField type="date" label={t('today.date')} labelHidden value={date} onChange={(event) => event.target.value && setDate(event.target.value)} />
            <Button kind="quiet" icon="right" aria-label={t('today.next_day')} onClick={() => setDate(shift(date, 1))} />
          </div>
          <Button kind={waiting.length ? 'plain' : 'primary'} icon="calendar" onClick={() => setBooking(true)}>{t('today.book')}</Button>
        </div>
      </header>
      {!connected && <Notice tone="warn" live>{t('today.offline')}</Notice>}
      {!data && (error ? <Failed error={error} onRetry={() => void refetch()} /> : <Loading />)}
      {data && items.length === 0 && <Empty title={t('today.empty')}>{me.role === 'provider' ? t('today.empty.provider') : t('today.empty.body')}</Empty>}
      {boardError && !board && <Failed error={boardError} onRetry={() => void refetchBoard()} />}
      {board && isToday && greets && <QueueBar board={board} me={me} />}
      <p className="visually-hidden" role="status">{waiting.length > 0 && t('today.waiting.who', { names: waiting.map((item) => item.patient_name).join(', ') })}</p>
      {waiting.length > 0 && (
        <section aria-labelledby="waiting">
          <h2 id="waiting">{t('today.waiting')}</h2>
          <ol className={css.waiting}>{waiting.map((item) => <WaitingRow key={item.visit_id} item={item} queue={queued.get(item.visit_id)} me={me} onLink={() => setLinkFor(item)} onAsk={greets ? (what) => setAsked({ what, visit: item.visit_id }) : undefined} />)}</ol>
        </section>
      )}
      {later.length > 0 && <section aria-labelledby="later"><h2 id="later">{t('today.later')}</h2><ol className={css.rows}>{later.map(row)}</ol></section>}
      {done.length > 0 && <section aria-labelledby="done"><h2 id="done">{t('today.done')}</h2><ol className={css.rows}>{done.map(row)}</ol></section>}
      {booking && <Suspense><Booking me={me} date={date} onClose={() => setBooking(false)} /></Suspense>}
      {about?.item && asked && <Asking what={asked.what} providers={board?.providers ?? []} item={about.item} name={about.name} onClose={about.onClose} />}
      {linkFor && <LinkDialog appointment={linkFor.appointment_id} patient={linkFor.patient_name} onClose={() => setLinkFor(null)} />}
    </div>
  );
}

/** Who greets those who wait, and so may hold, move and write. */
const GREETS: ReadonlySet<Me['role']> = new Set(['provider', 'nurse', 'front_desk']);

function Asking({ what, providers, ...about }: { what: Asked; providers: QueueProvider[]; item: QueueItem; name: string; onClose: () => void }) {
  switch (what) {
    case 'hold': return <HoldDialog {...about} />;
    case 'move': return <MoveDialog {...about} providers={providers} />;
    case 'decline': return <DeclineDialog {...about} />;
    case 'chat': return <ChatDialog {...about} />;
  }
}

interface RowProps { item: TodayItem; queue: QueueItem | undefined; me: Me; onLink: () => void }

function WaitingRow({ item, queue, me, onLink, onAsk }: RowProps & { onAsk?: ((what: Asked) => void) | undefined }) {
  const { t, lang } = useText();
  const now = useNow(1_000);
  const since = item.waiting_since ? now - Date.parse(item.waiting_since) : 0;
  return (
    <li>
      <p className={css.waits}><Icon name="clock" /> <span>{t('today.waiting_for', { duration: duration(lang, since) })}</span></p>
      <Who item={item} me={me} />
      <Actions item={item} queue={queue} me={me} onLink={onLink} prominent />
      <div className={css.standing}><StandingPills item={queue} /></div>
      {queue && onAsk && (
        <div className={css.deeds} role="group" aria-label={t('queue.deeds', { name: item.patient_name })}>
          <Button kind="quiet" icon="chat" onClick={() => onAsk('chat')}>{queue.unread ? t('queue.message.unread', { n: queue.unread }) : t('queue.message')}</Button>
          {queue.held_since ? <DeedButton item={queue} name="wait" of={item.patient_name}>{t('visit.return')}</DeedButton> : <Button kind="quiet" onClick={() => onAsk('hold')}>{t('queue.hold')}</Button>}
          <Button kind="quiet" onClick={() => onAsk('move')}>{t('queue.move')}</Button>
          <Button kind="quiet" onClick={() => onAsk('decline')}>{t('queue.decline')}</Button>
        </div>
      )}
    </li>
  );
}

const TONES: Record<VisitState, Tone> = { booked: 'plain', checking_in: 'accent', waiting: 'strong', in_visit: 'strong', ended: 'plain', cancelled: 'plain', no_show: 'warn' };

function Row({ item, queue, me, onLink }: RowProps) {
  const { t, lang } = useText();
  const now = useNow(30_000);
  const absent = queue && (item.state === 'booked' || item.state === 'checking_in') && now >= Date.parse(queue.no_show_from);
  return (
    <li data-quiet={isOver(item.state) || undefined}>
      <p className={css.time}><time dateTime={item.starts_at}>{clock(lang, item.starts_at)}</time><span>{duration(lang, Date.parse(item.ends_at) - Date.parse(item.starts_at))}</span></p>
      <Who item={item} me={me} />
      <p className={css.states}>
        <Pill tone={TONES[item.state]}>{t(`state.${item.state}`)}</Pill>
        {item.state === 'ended' && me.role !== 'front_desk' && <Pill tone={item.note_state === 'signed' ? 'plain' : 'warn'}>{t(`note_state.${item.note_state}`)}</Pill>}
        {item.state === 'booked' && <Pill tone={item.link_state === 'locked' || item.link_state === 'expired' ? 'warn' : 'plain'}>{t(`link_state.${item.link_state}`)}</Pill>}
        {item.state === 'checking_in' && <StandingPills item={queue} />}
        {item.state === 'booked' && queue?.declined_at && <StandingPills item={queue} />}
      </p>
      <Actions item={item} queue={queue} me={me} onLink={onLink}>
        {absent && GREETS.has(me.role) && <DeedButton item={queue} name="no-show" of={item.patient_name}>{t('queue.no_show')}</DeedButton>}
        {item.state === 'no_show' && queue && GREETS.has(me.role) && <DeedButton item={queue} name="expect" of={item.patient_name}>{t('queue.expect')}</DeedButton>}
      </Actions>
    </li>
  );
}

function isOver(state: VisitState): boolean {
  return state === 'ended' || state === 'cancelled' || state === 'no_show';
}

/** By place; who is on hold comes last, and whoever has no place yet by how long they wait. */
function inLine(queued: Map<string, QueueItem>): (a: TodayItem, b: TodayItem) => number {
  const place = (item: TodayItem) => queued.get(item.visit_id)?.place ?? Infinity;
  const since = (item: TodayItem) => item.waiting_since ?? item.starts_at;
  // Places are by provider: two firsts stand by how long they wait.
  return (a, b) => (place(a) === place(b) ? since(a).localeCompare(since(b)) : place(a) - place(b));
}

function Who({ item, me }: { item: TodayItem; me: Me }) {
  return (
    <div className={css.who}>
      <p className={css.name}>{item.patient_name}</p>
      <p className={css.reason}>{[item.reason, item.provider_id !== me.staff_id && item.provider_name].filter(Boolean).join(' · ')}</p>
    </div>
  );
}

function Actions({ item, me, onLink, prominent, children }: RowProps & { prominent?: boolean; children?: ReactNode }) {
  const { t } = useText();
  const name = item.patient_name;
  const over = isOver(item.state);
  return (
    <div className={css.actions}>
      {children}
      {!over && <Button kind="quiet" icon="link" onClick={onLink} aria-label={t('today.link_of', { name })}>{t('today.link_button')}</Button>}
      {maySee(me.role, 'visit') && (
        <Link to="/app/visits/$visitId" params={{ visitId: item.visit_id }} className={buttonLook(prominent ? 'primary' : 'plain')} aria-label={over ? t('today.review_of', { name }) : t('today.open_of', { name })}>
          {over ? t('today.review') : t('today.open')}
        </Link>
      )}
    </div>
  );
}

function by<T>(key: (item: T) => string): (a: T, b: T) => number {
  return (a, b) => key(a).localeCompare(key(b));
}

function shift(date: string, days: number): string {
  return new Date(Date.parse(`${date}T12:00:00Z`) + days * 86_400_000).toISOString().slice(0, 10);
}
