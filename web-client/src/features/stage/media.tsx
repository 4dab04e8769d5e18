// Sound and pictures of a call as elements: remote voices, a remote picture, one's own picture.

import { useEffect, useRef, useState } from 'react';
import type { Call, RemoteMedia } from '../../call/call';
import { useText } from '../../lib/i18n/text';
import { Button, Notice } from '../../lib/ui';
import css from './stage.module.css';

function useTrack<T extends HTMLMediaElement>(track: MediaStreamTrack | null) {
  const ref = useRef<T>(null);
  useEffect(() => {
    const element = ref.current;
    if (!element) return;
    element.srcObject = track ? new MediaStream([track]) : null;
    return () => {
      element.srcObject = null;
    };
  }, [track]);
  return ref;
}

/** A picture that someone sends. It says to the server how wide it is shown, so that no larger layer is sent. */
export function RemoteVideo({ call, media, name, fit, onPlaying }: { call: Call; media: RemoteMedia; name: string; fit: 'contain' | 'cover'; onPlaying?: () => void }) {
  const ref = useTrack<HTMLVideoElement>(media.track);
  const { mid } = media;
  useEffect(() => {
    const element = ref.current;
    if (!element) return;
    const watch = new ResizeObserver(() => call.show(mid, Math.round(element.clientWidth * devicePixelRatio)));
    watch.observe(element);
    return () => {
      watch.disconnect();
      call.show(mid, 0);
    };
  }, [call, mid, ref]);
  return <video ref={ref} className={css[fit]} aria-label={name} onPlaying={onPlaying} autoPlay playsInline muted />;
}

/** All remote voices. Browsers that want a tap before they play get a button for it. */
export function Voices({ voices, speakerId }: { voices: RemoteMedia[]; speakerId: string }) {
  const { t } = useText();
  const box = useRef<HTMLDivElement>(null);
  const [blocked, setBlocked] = useState(false);
  const playAll = () => {
    setBlocked(false);
    box.current?.querySelectorAll('audio').forEach((audio) => void audio.play().catch(() => setBlocked(true)));
  };
  return (
    <>
      <div ref={box} hidden>
        {voices.map((voice) => <Voice key={voice.mid} voice={voice} speakerId={speakerId} onBlocked={() => setBlocked(true)} />)}
      </div>
      {blocked && <Notice tone="warn" live action={<Button kind="primary" icon="sound" onClick={playAll}>{t('visit.play')}</Button>}>{t('visit.play.body')}</Notice>}
    </>
  );
}

function Voice({ voice, speakerId, onBlocked }: { voice: RemoteMedia; speakerId: string; onBlocked: () => void }) {
  const ref = useTrack<HTMLAudioElement>(voice.track);
  const blocked = useRef(onBlocked);
  useEffect(() => {
    blocked.current = onBlocked;
  });
  useEffect(() => {
    const audio = ref.current;
    if (!audio) return;
    if (speakerId && 'setSinkId' in audio) void audio.setSinkId(speakerId).catch(() => undefined);
    audio.play().catch((error: unknown) => {
      if (error instanceof DOMException && error.name === 'NotAllowedError') blocked.current();
    });
  }, [voice.track, speakerId, ref]);
  return <audio ref={ref} autoPlay />;
}

/** One's own picture, mirrored as people know themselves. */
export function SelfVideo({ track, label, className }: { track: MediaStreamTrack | null; label: string; className?: string | undefined }) {
  const ref = useTrack<HTMLVideoElement>(track);
  return <video ref={ref} className={className} data-mirrored="" aria-label={label} autoPlay playsInline muted />;
}
