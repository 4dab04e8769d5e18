// The dark stage: who is there, what they send, and the controls under it. The same for patients and staff;
// what only a host may do comes in as children.

import { useEffect, useRef, useState, type ReactNode } from 'react';
import type { Call, RemoteMedia } from '../../call/call';
import type { ParticipantView, RoomView } from '../../call/wire';
import { useText } from '../../lib/i18n/text';
import { Button, Icon, classes } from '../../lib/ui';
import { useWatched } from '../../lib/ui/now';
import { Announcements } from './announcements';
import { Chat } from './chat';
import { RemoteVideo, SelfVideo, Voices } from './media';
import { RecordingQuestion, RecordingSign } from './recording';
import { Settings } from './settings';
import { SHORTCUTS, useShortcuts, type Deed } from './shortcuts';
import css from './stage.module.css';

export interface StageProps {
  call: Call;
  /** Shown while nobody else is there. */
  alone: ReactNode;
  /** Over the picture, at the top: the waiting room of a host. */
  above?: ReactNode;
  /** More controls, before `Leave`. */
  controls?: ReactNode;
  onLeave: () => void;
  /** What may be done about a person, beside the name. */
  personActions?: (person: ParticipantView) => ReactNode;
}

export function Stage({ call, alone, above, controls, onLeave, personActions }: StageProps) {
  const { t } = useText();
  const state = useWatched(call.state);
  const devices = useWatched(call.devices.state);
  const [chatOpen, setChatOpen] = useState(false);
  const [settingsOpen, setSettingsOpen] = useState(false);
  const [selfShown, setSelfShown] = useState(true);
  const scene = useRef<HTMLDivElement>(null);
  const unread = useUnread(call, chatOpen);
  useWakeLock();
  const { room } = state;
  const others = room ? interpretersFirst(peopleIn(room).filter((one) => one.participant !== room.you)) : [];
  // Who interprets is large for the others, so that signs and lips can be read.
  const pinned = others.length > 1 && others[0]?.role === 'interpreter';
  const voices = state.remote.filter((one) => one.source === 'microphone');
  const screen = state.remote.find((one) => one.source === 'screen' && one.moving);
  const broken = state.connection === 'reconnecting' || state.media === 'lost';
  const mute = () => {
    if (devices.microphone.is === 'on') call.devices.mute(!devices.muted);
  };
  const turnCamera = () => {
    if (devices.camera.is !== 'starting') void call.devices.turnCamera(!devices.cameraTrack);
  };
  const openChat = () => setChatOpen(!chatOpen);
  useShortcuts({ mute, camera: turnCamera, chat: openChat });
  const canShare = 'getDisplayMedia' in (navigator.mediaDevices ?? {});

  return (
    <section className={css.stage} aria-label={t('visit.stage')} data-chat={chatOpen || undefined}>
      <div className={css.scene} ref={scene}>
        <div className={css.top}>
          {room && <RecordingSign call={call} room={room} />}
          {broken && (
            <div className={css.strip} data-warn="">
              <p><strong>{t('visit.reconnecting.me')}</strong> {t('visit.reconnecting.me.body')}</p>
            </div>
          )}
          {devices.interrupted && <div className={css.strip} data-warn=""><p>{t('visit.interrupted.me')}</p></div>}
          <Pictures call={call} />
          <DeviceTrouble call={call} />
          <RefusalStrip call={call} />
          {above}
          <Voices voices={voices} speakerId={devices.speakerId} />
        </div>
        <div className={css.tiles} data-count={screen ? 1 : Math.max(1, others.length)} data-screen={screen ? '' : undefined} data-pinned={pinned && !screen ? '' : undefined}>
          {screen && <ScreenTile call={call} media={screen} name={others.find((one) => one.participant === screen.participant)?.name ?? ''} />}
          {others.map((one) => <PersonTile key={one.participant} call={call} person={one} speaking={state.speaking.includes(one.participant) && !one.audio_muted} camera={state.remote.find((media) => media.participant === one.participant && media.source === 'camera')} small={Boolean(screen)} actions={personActions?.(one)} />)}
          {others.length === 0 && <div className={css.alone}>{alone}</div>}
        </div>
        {selfShown && (
          <div className={css.self} data-off={devices.cameraTrack ? undefined : ''}>
            {devices.cameraTrack ? <SelfVideo track={devices.cameraTrack} label={t('visit.self_view')} /> : <p><Icon name="camera_off" />{t('visit.self_off')}</p>}
          </div>
        )}
      </div>
      <div className={css.controls} role="group" aria-label={t('visit.controls')}>
        <Control icon={devices.muted ? 'microphone_off' : 'microphone'} on={devices.muted} label={devices.muted ? t('visit.unmute') : t('visit.mute')} disabled={devices.microphone.is !== 'on'} keys="mute" onClick={mute} />
        <Control icon={devices.cameraTrack ? 'camera' : 'camera_off'} on={!devices.cameraTrack} label={devices.cameraTrack ? t('visit.camera_off') : t('visit.camera_on')} disabled={devices.camera.is === 'starting'} keys="camera" onClick={turnCamera} />
        {canShare && <Control icon="screen" on={Boolean(devices.screenTrack)} label={devices.screenTrack ? t('visit.stop_share') : t('visit.share')} onClick={() => void call.devices.shareScreen(!devices.screenTrack)} className={css.wideOnly} />}
        <Control icon="chat" on={chatOpen} label={t('visit.chat')} badge={unread} expanded={chatOpen} keys="chat" onClick={openChat} />
        <Control icon="settings" label={t('visit.settings')} onClick={() => setSettingsOpen(true)} />
        {controls}
        <Button kind={controls ? 'stage' : 'stageDanger'} icon="leave" onClick={onLeave}>{t('visit.leave')}</Button>
      </div>
      {chatOpen && <div className={css.chat}><Chat call={call} onClose={() => setChatOpen(false)} /></div>}
      {settingsOpen && <Settings call={call} selfShown={selfShown} onSelfShown={setSelfShown} scene={scene} onClose={() => setSettingsOpen(false)} />}
      {room && <RecordingQuestion call={call} room={room} />}
      {room && <Announcements room={room} chat={state.chat} broken={broken} />}
    </section>
  );
}

/** A round control: an icon with its word under it where there is room, always named. */
export function Control({ icon, label, on, badge, expanded, keys, className, ...rest }: {
  icon: Parameters<typeof Icon>[0]['name']; label: string; on?: boolean; badge?: number; expanded?: boolean; disabled?: boolean; keys?: Deed; className?: string | undefined; onClick: () => void;
}) {
  const { t } = useText();
  return (
    <Button
      kind={on ? 'stageOn' : 'stage'}
      icon={icon}
      className={classes(css.control, className)}
      aria-label={label}
      aria-expanded={expanded}
      aria-description={badge ? t(badge === 1 ? 'visit.chat_unread_one' : 'visit.chat_unread', { n: badge }) : undefined}
      aria-keyshortcuts={keys && SHORTCUTS[keys].aria}
      title={keys ? `${label} (${SHORTCUTS[keys].shown})` : label}
      {...rest}
    >
      <span className={css.word} aria-hidden="true">{label}</span>
      {Boolean(badge) && <span className={css.badge} data-count={badge} aria-hidden="true" />}
    </Button>
  );
}

/** Roles that are said beside the name; that a patient is the patient goes without saying. */
const AS_WHAT: ReadonlySet<ParticipantView['role']> = new Set(['interpreter', 'guardian', 'specialist', 'nurse']);

function interpretersFirst(people: ParticipantView[]): ParticipantView[] {
  return [...people].sort((a, b) => Number(b.role === 'interpreter') - Number(a.role === 'interpreter'));
}

/** Those in the visit itself: let in, and not gone. */
export function peopleIn(room: RoomView): ParticipantView[] {
  return room.participants.filter(({ phase }) => phase.is === 'admitted' || phase.is === 'live' || phase.is === 'reconnecting' || phase.is === 'interrupted');
}

function PersonTile({ call, person, speaking, camera, small, actions }: { call: Call; person: ParticipantView; speaking: boolean; camera: RemoteMedia | undefined; small: boolean; actions: ReactNode }) {
  const { t } = useText();
  const { heldBack, voiceOnly } = useWatched(call.state);
  const { name, phase } = person;
  const held = camera !== undefined && heldBack.includes(camera.mid);
  const covered = person.video_muted || phase.is === 'reconnecting' || held || voiceOnly;
  const [playing, setPlaying] = useState(false);
  return (
    <figure className={css.tile} data-small={small || undefined} data-speaking={speaking || undefined}>
      {camera && <RemoteVideo call={call} media={camera} name={name} fit="cover" onPlaying={() => setPlaying(true)} />}
      {(covered || !camera || !playing) && (
        <div className={css.placard} data-dim={!covered || undefined}>
          <span className={css.initials} aria-hidden="true">{initials(name)}</span>
          <p>{phase.is === 'reconnecting' ? t('visit.reconnecting.other', { name }) : person.video_muted ? t('visit.camera_is_off', { name }) : voiceOnly ? t('visit.voice_only.tile', { name }) : held ? t('visit.held_back.tile', { name }) : t('visit.connecting')}</p>
        </div>
      )}
      <figcaption className={css.caption}>
        <span className={css.name}>
        {person.audio_muted && <span title={t('visit.is_muted', { name })}><Icon name="microphone_off" size={18} /><span className="visually-hidden">{t('visit.is_muted', { name })}</span></span>}
        <span>{name}</span>
        {AS_WHAT.has(person.role) && <em>{t(`role.${person.role}`)}</em>}
        {phase.is === 'admitted' && <em>{t('visit.admitted')}</em>}
        {phase.is === 'reconnecting' && <em>{t('visit.reconnecting')}</em>}
        {phase.is === 'interrupted' && <em title={t('visit.interrupted.other', { name })}>{t('visit.interrupted')}</em>}
        </span>
        {actions}
      </figcaption>
    </figure>
  );
}

function ScreenTile({ call, media, name }: { call: Call; media: RemoteMedia; name: string }) {
  const { t } = useText();
  const label = t('visit.screen_of', { name });
  return (
    <figure className={css.tile}>
      <RemoteVideo call={call} media={media} name={label} fit="contain" />
      <figcaption className={css.caption}><span className={css.name}>{label}</span></figcaption>
    </figure>
  );
}

/** Why pictures are missing, and what to do: held back for want of bandwidth, or left out by choice. */
function Pictures({ call }: { call: Call }) {
  const { t } = useText();
  const { heldBack, voiceOnly } = useWatched(call.state);
  if (voiceOnly) {
    return (
      <div className={css.strip} role="status">
        <p>{t('visit.voice_only.on')}</p>
        <Button kind="stage" onClick={() => void call.voiceOnly(false)}>{t('visit.pictures')}</Button>
      </div>
    );
  }
  if (heldBack.length === 0) return null;
  return (
    <div className={css.strip} data-warn="" role="status">
      <p>{t('visit.held_back')}</p>
      <Button kind="stage" onClick={() => void call.voiceOnly(true)}>{t('visit.voice_only')}</Button>
    </div>
  );
}

function DeviceTrouble({ call }: { call: Call }) {
  const { t } = useText();
  const { microphone, camera } = useWatched(call.devices.state);
  const trouble = microphone.is === 'failed' ? { kind: 'microphone' as const, problem: microphone.problem } : camera.is === 'failed' ? { kind: 'camera' as const, problem: camera.problem } : null;
  if (!trouble) return null;
  return (
    <div className={css.strip} data-warn="" role="status">
      <p>{t('visit.device_problem', { problem: t(`device.${trouble.kind}.${trouble.problem}`), fix: t(`device.fix.${trouble.problem}`) })}</p>
      <Button kind="stage" onClick={() => void call.devices.choose(trouble.kind, '')}>{t('try_again')}</Button>
    </div>
  );
}

function RefusalStrip({ call }: { call: Call }) {
  const { t } = useText();
  const { refusal } = useWatched(call.state);
  const [closed, setClosed] = useState(0);
  if (!refusal || refusal.n <= closed || refusal.about === 'chat') return null;
  return (
    <div className={css.strip} data-warn="" role="alert">
      <p>{t(`refused.${refusal.code}`)}</p>
      <Button kind="stage" icon="close" aria-label={t('close')} onClick={() => setClosed(refusal.n)} />
    </div>
  );
}

function useUnread(call: Call, open: boolean): number {
  const { chat, room } = useWatched(call.state);
  const theirs = chat.filter((entry) => entry.from !== room?.you).length;
  const [read, setRead] = useState(theirs);
  if (open && read !== theirs) setRead(theirs);
  return open ? 0 : Math.max(0, theirs - read);
}

/** The screen of a phone stays lit during a visit. */
function useWakeLock(): void {
  const lock = useRef<WakeLockSentinel | null>(null);
  useEffect(() => {
    let gone = false;
    const take = () => {
      if (document.visibilityState !== 'visible' || !('wakeLock' in navigator)) return;
      navigator.wakeLock.request('screen').then((sentinel) => {
        if (gone) void sentinel.release();
        else lock.current = sentinel;
      }, () => undefined);
    };
    take();
    document.addEventListener('visibilitychange', take);
    return () => {
      gone = true;
      document.removeEventListener('visibilitychange', take);
      void lock.current?.release();
    };
  }, []);
}

export function initials(name: string): string {
  const words = name.replace(/^(dr|mr|mrs|ms)\.?\s+/i, '').split(/\s+/).filter(Boolean);
  return [words[0], words.length > 1 ? words.at(-1) : ''].map((word) => word?.[0] ?? '').join('').toUpperCase();
}
