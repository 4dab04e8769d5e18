// Entry of the side of those who come by a link: patients and guests.

import { StrictMode } from 'react';
import { createRoot } from 'react-dom/client';
import { PatientVisit } from '../features/join';
import { Join } from '../features/join/join';
import { startTexts } from '../lib/i18n/text';

export async function startPatient(root: HTMLElement, as: 'patient' | 'guest'): Promise<void> {
  const join = new Join(as);
  void join.start();
  await startTexts(['common', 'devices', 'waiting']);
  createRoot(root).render(<StrictMode><PatientVisit join={join} /></StrictMode>);
}
