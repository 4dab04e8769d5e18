// What a person may set during a visit, for this screen alone: devices, one's own picture, a small window, keys.

import { useEffect, useState, type RefObject } from 'react';
import type { Call } from '../../call/call';
import { useText } from '../../lib/i18n/text';
import { Button, Dialog } from '../../lib/ui';
import { useWatched } from '../../lib/ui/now';
import { DevicePickers, useChoices } from './device-pickers';
import { SHORTCUTS, type Deed } from './shortcuts';
import css from './settings.module.css';

const NAMED: Readonly<Record<Deed, 'visit.keys.mute' | 'visit.keys.camera' | 'visit.keys.chat'>> = { mute: 'visit.keys.mute', camera: 'visit.keys.camera', chat: 'visit.keys.chat' };

interface SettingsProps {
  call: Call;
  selfShown: boolean;
  onSelfShown: (shown: boolean) => void;
  /** Where the pictures of the others are. */
  scene: RefObject<HTMLElement | null>;
  onClose: () => void;
}

export function Settings({ call, selfShown, onSelfShown, scene, onClose }: SettingsProps) {
  const { t } = useText();
  const choices = useChoices(call);
  const { voiceOnly } = useWatched(call.state);
  const small = useSmallWindow(scene);
  return (
    <Dialog title={t('visit.settings')} onClose={onClose} actions={<Button kind="primary" onClick={onClose}>{t('visit.settings.done')}</Button>}>
      <div className={css.settings}>
        {choices ? <DevicePickers call={call} /> : <p>{t('visit.settings.one_of_each')}</p>}
        <label className={css.check}><input type="checkbox" checked={selfShown} onChange={(event) => onSelfShown(event.target.checked)} /> {t('visit.settings.self')}</label>
        <label className={css.check}><input type="checkbox" checked={voiceOnly} onChange={(event) => void call.voiceOnly(event.target.checked)} /> {t('visit.settings.voice_only')}</label>
        {small && <Button wide icon="screen" onClick={() => void small().then(onClose, () => undefined)}>{t('visit.settings.small_window')}</Button>}
        <section aria-labelledby="visit-keys" className={css.keys}>
          <h3 id="visit-keys">{t('visit.keys')}</h3>
          <dl>
            {(Object.keys(SHORTCUTS) as Deed[]).map((deed) => <div key={deed}><dt>{t(NAMED[deed])}</dt><dd><kbd>{SHORTCUTS[deed].shown}</kbd></dd></div>)}
          </dl>
        </section>
      </div>
    </Dialog>
  );
}

/** Puts the largest picture of somebody else into a window of its own, where the browser can (not every one can). */
function useSmallWindow(scene: RefObject<HTMLElement | null>): (() => Promise<void>) | null {
  const [can, setCan] = useState(false);
  useEffect(() => {
    // The page's pictures are known only after it was drawn.
    // eslint-disable-next-line react-hooks/set-state-in-effect
    setCan(document.pictureInPictureEnabled === true && largest(scene.current) !== null);
  }, [scene]);
  if (!can) return null;
  return async () => {
    const video = largest(scene.current);
    if (video) await video.requestPictureInPicture();
  };
}

function largest(scene: HTMLElement | null): HTMLVideoElement | null {
  const area = (video: HTMLVideoElement) => video.clientWidth * video.clientHeight;
  const others = [...(scene?.querySelectorAll<HTMLVideoElement>('figure video') ?? [])].filter((video) => video.readyState > 0);
  return others.sort((a, b) => area(b) - area(a))[0] ?? null;
}
