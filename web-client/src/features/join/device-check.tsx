// The last step before the waiting room: can you be seen and heard, and does the connection to the clinic work.
// The peer connection is made here, by the call, and is the one that the visit uses.

import { useEffect, useRef, useState } from 'react';
import type { Call } from '../../call/call';
import type { DeviceProblem } from '../../call/devices';
import { chime, watchLevel } from '../../call/sound';
import { useText } from '../../lib/i18n/text';
import { Button, Icon, Notice } from '../../lib/ui';
import { useWatched } from '../../lib/ui/now';
import { DevicePickers, useChoices } from '../stage/device-pickers';
import { SelfVideo } from '../stage/media';
import { DeviceHelp } from './device-help';
import css from './join.module.css';
import { Network } from './network';
import { PatientPage, type Clinic } from './page';

const HOPELESS: ReadonlySet<DeviceProblem> = new Set(['unsupported', 'insecure']);

export function DeviceCheck({ call, clinic, steps, provider, onEnter }: { call: Call; clinic: Clinic; steps: number; provider: string; onEnter: () => void }) {
  const { t } = useText();
  const devices = useWatched(call.devices.state);
  const { connection, media } = useWatched(call.state);
  const choices = useChoices(call);
  const network = useWatched(call.network);
  const [entering, setEntering] = useState(false);
  const [helping, setHelping] = useState<DeviceProblem | null>(null);
  const asking = devices.camera.is === 'starting' && devices.microphone.is === 'starting';
  const cameraProblem = devices.camera.is === 'failed' ? devices.camera.problem : null;
  const microphoneProblem = devices.microphone.is === 'failed' ? devices.microphone.problem : null;
  const hopeless = cameraProblem !== null && HOPELESS.has(cameraProblem);
  const ready = connection === 'open' && media === 'connected';
  // A connection of several seconds needs no alarm; one that does not come needs words.
  const late = useLate(!ready, 8_000);

  const again = (kind: 'camera' | 'microphone') => void (kind === 'camera' && microphoneProblem ? call.devices.start() : call.devices.choose(kind, ''));
  const problem = (kind: 'camera' | 'microphone', of: DeviceProblem) => (
    <Notice tone="warn" live title={t(`device.${kind}.${of}`)} action={<><Button onClick={() => setHelping(of)}>{t('help.show')}</Button>{!HOPELESS.has(of) && <Button onClick={() => again(kind)}>{t('try_again')}</Button>}</>}>
      {t(`device.fix.${of}`)} {of !== 'unsupported' && of !== 'insecure' && t(kind === 'camera' ? 'join.devices.without_camera' : 'join.devices.without_microphone', { provider })}
    </Notice>
  );
  if (helping && (cameraProblem || microphoneProblem)) {
    return <DeviceHelp problem={helping} clinic={clinic} onAgain={() => again(cameraProblem ? 'camera' : 'microphone')} onBack={() => setHelping(null)} />;
  }
  return (
    <PatientPage clinic={clinic} step={[steps, steps]} title={t('join.devices.title')} lead={hopeless ? undefined : t('join.devices.intro')} next={t('join.devices.next', { provider })}>
      {asking && <Notice tone="accent" live title={t('join.devices.asking.title')}>{t('join.devices.asking.body')}</Notice>}
      <div className={css.preview}>
        {devices.cameraTrack
          ? <SelfVideo track={devices.cameraTrack} label={t('join.devices.preview')} />
          : <p><Icon name="camera_off" size={36} />{t('visit.self_off')}</p>}
      </div>
      {cameraProblem && problem('camera', cameraProblem)}
      {microphoneProblem && microphoneProblem !== cameraProblem && problem('microphone', microphoneProblem)}
      {devices.microphoneTrack && <Level track={devices.microphoneTrack} />}
      <Speaker speakerId={devices.speakerId} />
      {choices && <Pickers call={call} />}
      <p className={css.connection} role="status" data-ready={ready || undefined}>
        <Icon name={ready ? 'check' : late ? 'warning' : 'clock'} />
        {ready ? t('join.devices.ready') : late ? t('join.devices.no_connection') : t('join.devices.connecting')}
      </p>
      {ready && <Network found={network} />}
      <Button
        kind="primary" large wide busy={entering && connection !== 'open'}
        disabled={hopeless || asking}
        onClick={() => {
          setEntering(true);
          onEnter();
        }}
      >
        {t('join.devices.enter')}
      </Button>
    </PatientPage>
  );
}

function useLate(waiting: boolean, afterMs: number): boolean {
  const [late, setLate] = useState(false);
  useEffect(() => {
    if (!waiting) return;
    const timer = setTimeout(() => setLate(true), afterMs);
    return () => {
      clearTimeout(timer);
      setLate(false);
    };
  }, [waiting, afterMs]);
  return late && waiting;
}

function Level({ track }: { track: MediaStreamTrack }) {
  const { t } = useText();
  const bar = useRef<HTMLDivElement>(null);
  const meter = useRef<HTMLDivElement>(null);
  const [heard, setHeard] = useState(false);
  useEffect(() => watchLevel(track, (level) => {
    if (bar.current) bar.current.style.transform = `scaleX(${level.toFixed(3)})`;
    meter.current?.setAttribute('aria-valuenow', String(Math.round(level * 100)));
    if (level > 0.35) setHeard(true);
  }), [track]);
  return (
    <div className={css.level}>
      <Icon name="microphone" />
      <div ref={meter} className={css.meter} role="meter" aria-label={t('join.devices.level')} aria-valuemin={0} aria-valuemax={100} aria-valuenow={0}><div ref={bar} /></div>
      <p role="status" data-heard={heard || undefined}>{heard ? t('join.devices.level.heard') : t('join.devices.level.quiet')}</p>
    </div>
  );
}

function Speaker({ speakerId }: { speakerId: string }) {
  const { t } = useText();
  const [playing, setPlaying] = useState(false);
  const play = async () => {
    setPlaying(true);
    await chime(speakerId);
    setPlaying(false);
  };
  return <Button icon="sound" wide disabled={playing} onClick={() => void play()}>{playing ? t('join.devices.testing_speaker') : t('join.devices.test_speaker')}</Button>;
}

function Pickers({ call }: { call: Call }) {
  const { t } = useText();
  return (
    <details className={css.pickers}>
      <summary>{t('join.devices.pick')}</summary>
      <div className={css.form}><DevicePickers call={call} /></div>
    </details>
  );
}
