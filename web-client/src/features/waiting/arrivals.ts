// Somebody has come into the waiting room: a sound and a notification, each by choice and remembered on this device.
// A notification shows on screens that others see, so it names nobody.

import { useEffect, useRef } from 'react';
import { chime } from '../../call/sound';
import { useText } from '../../lib/i18n/text';
import { Store } from '../../lib/store';

const KEPT_SOUND = 'bedside.arrival.sound';
const KEPT_NOTIFY = 'bedside.arrival.notify';

export const arrivalSound = new Store(kept(KEPT_SOUND));
export const arrivalNotice = new Store(kept(KEPT_NOTIFY) && mayNotify());

export function setArrivalSound(on: boolean): void {
  keep(KEPT_SOUND, on);
  arrivalSound.set(on);
  if (on) void chime();
}

/** False: the browser does not allow it, and only its own settings can change that. */
export async function setArrivalNotice(on: boolean): Promise<boolean> {
  const allowed = !on || ('Notification' in globalThis && (await Notification.requestPermission()) === 'granted');
  keep(KEPT_NOTIFY, on && allowed);
  arrivalNotice.set(on && allowed);
  return allowed;
}

/** Rings when somebody is in `here` who was not there when it was last known. */
export function useArrivals(here: readonly string[] | null): void {
  const { t } = useText();
  const before = useRef<ReadonlySet<string> | null>(null);
  useEffect(() => {
    if (here === null) return;
    const known = before.current;
    before.current = new Set(here);
    if (known === null || here.every((one) => known.has(one))) return;
    if (arrivalSound.get()) void chime();
    if (arrivalNotice.get() && mayNotify() && document.visibilityState === 'hidden') {
      const notice = new Notification(t('queue.arrived'), { tag: 'bedside.arrival' });
      notice.onclick = () => {
        window.focus();
        notice.close();
      };
    }
  }, [here, t]);
}

function mayNotify(): boolean {
  return 'Notification' in globalThis && Notification.permission === 'granted';
}

function kept(name: string): boolean {
  try {
    return localStorage.getItem(name) === 'yes';
  } catch {
    return false;
  }
}

function keep(name: string, on: boolean): void {
  try {
    localStorage.setItem(name, on ? 'yes' : 'no');
  } catch {
    // Storage may be refused; the choice then lasts as long as the page.
  }
}
