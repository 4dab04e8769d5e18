// Keys that do what the controls of a visit do. Each needs Alt: a single letter would act while someone dictates
// or a screen reader reads (WCAG 2.2, 2.1.4), and it is told by its place on the keyboard, whatever Alt makes of it.

import { useEffect, useRef } from 'react';

export type Deed = 'mute' | 'camera' | 'chat';

export const SHORTCUTS: Readonly<Record<Deed, { code: string; shown: string; aria: string }>> = {
  mute: { code: 'KeyM', shown: 'Alt + M', aria: 'Alt+M' },
  camera: { code: 'KeyV', shown: 'Alt + V', aria: 'Alt+V' },
  chat: { code: 'KeyC', shown: 'Alt + C', aria: 'Alt+C' },
};

export type Pressed = Pick<KeyboardEvent, 'code' | 'altKey' | 'ctrlKey' | 'metaKey' | 'shiftKey' | 'repeat'>;

/** What a key press asks for, if anything. AltGr comes as Ctrl and Alt, and types letters. */
export function deedOf(key: Pressed): Deed | null {
  if (!key.altKey || key.ctrlKey || key.metaKey || key.shiftKey || key.repeat) return null;
  return (Object.keys(SHORTCUTS) as Deed[]).find((deed) => SHORTCUTS[deed].code === key.code) ?? null;
}

export function useShortcuts(deeds: Readonly<Record<Deed, () => void>>): void {
  const now = useRef(deeds);
  useEffect(() => {
    now.current = deeds;
  });
  useEffect(() => {
    const press = (event: KeyboardEvent) => {
      const deed = deedOf(event);
      // While a dialog asks something, keys are its own.
      if (!deed || document.querySelector('dialog[open]')) return;
      event.preventDefault();
      now.current[deed]();
    };
    addEventListener('keydown', press);
    return () => removeEventListener('keydown', press);
  }, []);
}
