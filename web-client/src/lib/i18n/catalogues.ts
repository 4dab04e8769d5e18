// Every catalogue of texts: one file per area and language, loaded when a part of the site asks for it.

import type { Key as Account } from './account.en';
import type { Key as Common } from './common.en';
import type { Key as Compliance } from './compliance.en';
import type { Key as Devices } from './devices.en';
import type { Key as Patients } from './patients.en';
import type { Key as Portal } from './portal.en';
import type { Key as Queue } from './queue.en';
import type { Key as Staff } from './staff.en';
import type { Key as Waiting } from './waiting.en';

export type TextKey = Account | Common | Compliance | Devices | Patients | Portal | Queue | Staff | Waiting;

export const catalogues = {
  account: { en: () => import('./account.en'), es: () => import('./account.es') },
  common: { en: () => import('./common.en'), es: () => import('./common.es') },
  compliance: { en: () => import('./compliance.en'), es: () => import('./compliance.es') },
  devices: { en: () => import('./devices.en'), es: () => import('./devices.es') },
  patients: { en: () => import('./patients.en'), es: () => import('./patients.es') },
  portal: { en: () => import('./portal.en'), es: () => import('./portal.es') },
  queue: { en: () => import('./queue.en'), es: () => import('./queue.es') },
  staff: { en: () => import('./staff.en'), es: () => import('./staff.es') },
  waiting: { en: () => import('./waiting.en'), es: () => import('./waiting.es') },
} as const;

export type Area = keyof typeof catalogues;
