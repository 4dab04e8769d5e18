// Spanish of account.en.ts; formal address throughout.

import type { Key } from './account.en';

export const texts: Record<Key, string> = {
  'nav.staff': 'Personal',
};
