import { expect, test } from 'vitest';
import { deedOf, type Pressed } from './shortcuts';

const press = (code: string, more: Partial<Pressed> = {}): Pressed => ({ code, altKey: true, ctrlKey: false, metaKey: false, shiftKey: false, repeat: false, ...more });

test('Alt with a letter is a deed', () => {
  expect([deedOf(press('KeyM')), deedOf(press('KeyV')), deedOf(press('KeyC'))]).toEqual(['mute', 'camera', 'chat']);
  expect(deedOf(press('KeyX'))).toBeNull();
});

test('a letter alone, AltGr, other modifiers and a held key are none', () => {
  for (const more of [{ altKey: false }, { ctrlKey: true }, { metaKey: true }, { shiftKey: true }, { repeat: true }]) {
    expect(deedOf(press('KeyM', more))).toBeNull();
  }
});
