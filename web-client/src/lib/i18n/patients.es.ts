// Spanish of patients.en.ts; formal address throughout.

import type { Key } from './patients.en';

export const texts: Record<Key, string> = {
  'nav.patients': 'Pacientes',
};
