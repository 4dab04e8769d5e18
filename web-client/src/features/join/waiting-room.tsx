// The waiting room as the patient sees it: the place in line, how long it may take, and what the clinic says.

import { useEffect, useRef, useState } from 'react';
import type { Call } from '../../call/call';
import { chime } from '../../call/sound';
import type { LinePlace, WaitingWords } from '../../lib/api/types';
import { clock, clockWithZone } from '../../lib/i18n/format';
import { useText, type Translate } from '../../lib/i18n/text';
import { Button, Icon, Notice, Pill } from '../../lib/ui';
import { useTitle, useWatched } from '../../lib/ui/now';
import { SelfVideo } from '../stage/media';
import { Words } from '../waiting/words';
import css from './join.module.css';
import type { Who } from './join';
import { Line } from './line';
import { PatientPage, type Clinic } from './page';

interface WaitingRoomProps { call: Call; who: Who; clinic: Clinic; since: number; returned: boolean; onLeave: () => void }

export function WaitingRoom({ call, who, clinic, since, returned, onLeave }: WaitingRoomProps) {
  const { t, lang } = useText();
  const { connection, media } = useWatched(call.state);
  const { cameraTrack, speakerId } = useWatched(call.devices.state);
  // Guests come along with a patient: the line is the patient's.
  const guest = Boolean(who.role);
  const [line] = useState(() => new Line());
  const { place, words } = useWatched(line.state);
  useEffect(() => {
    if (guest) return;
    line.start();
    return () => line.stop();
  }, [line, guest]);
  const provider = words?.provider_name ?? who.provider_name;
  useTitle(t('waiting.page_title', { provider }));
  useRing(words, speakerId);
  const broken = connection !== 'open' || media === 'lost';
  return (
    <PatientPage clinic={clinic} title={t('waiting.title')} next={t('waiting.next')}>
      {broken
        ? <Notice tone="warn" live title={t('visit.reconnecting.me')}>{t('visit.reconnecting.me.body')}</Notice>
        : <p className={css.waitingState}><Pill tone="accent" icon="clock">{t('waiting.state')}</Pill> <span>{t('waiting.since', { time: clock(lang, since) })}</span></p>}
      {words?.moved_from && words.moved_from !== provider && <Notice tone="accent" live title={t('waiting.moved.title', { provider })}>{t('waiting.moved.body', { provider, former: words.moved_from })}</Notice>}
      {place?.held
        ? <Notice tone="accent" live title={t('waiting.held')}>{words?.hold}</Notice>
        : <Standing place={place} provider={provider} />}
      <Said words={words} />
      <p className={css.lead}>{returned ? t('waiting.returned', { provider }) : t('waiting.body', { provider })}</p>
      <p>{t(guest ? 'waiting.scheduled.guest' : 'waiting.scheduled', { time: clockWithZone(lang, who.starts_at) })}</p>
      <div className={css.waitingSelf}>
        {cameraTrack ? <SelfVideo track={cameraTrack} label={t('join.devices.preview')} /> : <p><Icon name="camera_off" />{t('visit.self_off')}</p>}
      </div>
      {!guest && (
        <section className={css.clinicChat} aria-labelledby="clinic-chat">
          <h2 id="clinic-chat">{t('waiting.chat')}</h2>
          <Words side="patient" patient={t('you')} label={t('waiting.chat.label')} messages={words?.messages.items ?? []} onSend={(id, text) => line.say(id, text)} />
        </section>
      )}
      <Button wide onClick={onLeave}>{t('visit.leave')}</Button>
    </PatientPage>
  );
}

/** The place and the wait, read out when they change. */
function Standing({ place, provider }: { place: LinePlace | null; provider: string }) {
  const { t } = useText();
  if (!place) return null;
  return (
    <div role="status"><dl className={css.standing}>
      {place.place !== null && <div><dt>{t('waiting.place')}</dt><dd>{place.place === 1 ? t('waiting.place.next') : t('waiting.place.ahead', { n: place.place - 1 })}</dd></div>}
      <div><dt>{t('waiting.wait')}</dt><dd>{waitText(t, place)}</dd></div>
      {place.late_min !== null && <div className={css.late}><dt className="visually-hidden">{t('waiting.late')}</dt><dd>{t('waiting.late.about', { provider, minutes: place.late_min })}</dd></div>}
    </dl></div>
  );
}

export function waitText(t: Translate, { wait }: Pick<LinePlace, 'wait'>): string {
  if (!wait) return t('waiting.wait.unknown');
  return wait.from === 0 ? t('waiting.wait.up_to', { to: wait.to }) : t('waiting.wait.range', { from: wait.from, to: wait.to });
}

/** What is said to all who wait. */
function Said({ words }: { words: WaitingWords | null }) {
  const { t, lang } = useText();
  if (!words?.announcements.length) return null;
  return (
    <section className={css.announcements} aria-label={t('waiting.announcements')} aria-live="polite">
      {words.announcements.map((one) => (
        <Notice key={one.announcement_id} tone="plain" title={t('waiting.announcement', { time: clock(lang, one.at) })}>{one.words}</Notice>
      ))}
    </section>
  );
}

/** A sound when the clinic writes, so that nobody has to stare at the page. */
function useRing(words: WaitingWords | null, speakerId: string): void {
  const heard = useRef<number | null>(null);
  const said = words ? words.messages.items.filter((one) => one.by_name !== null).length + words.announcements.length : null;
  useEffect(() => {
    if (said === null) return;
    if (heard.current !== null && said > heard.current) void chime(speakerId);
    heard.current = said;
  }, [said, speakerId]);
}
