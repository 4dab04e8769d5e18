// Spanish of portal.en.ts; formal address throughout.

import type { Key } from './portal.en';

export const texts: Record<Key, string> = {
  'portal.title': 'Su expediente',
};
