// Spanish of compliance.en.ts; formal address throughout.

import type { Key } from './compliance.en';

export const texts: Record<Key, string> = {
  'nav.emergency_access': 'Acceso de emergencia',
};
