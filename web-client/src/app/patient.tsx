// Entry of the patient's side.

import { StrictMode } from 'react';
import { createRoot } from 'react-dom/client';
import { PatientVisit } from '../features/join';
import { Join } from '../features/join/join';
import { startTexts } from '../lib/i18n/text';

export async function startPatient(root: HTMLElement): Promise<void> {
  const join = new Join();
  void join.start();
  await startTexts(['common']);
  createRoot(root).render(<StrictMode><PatientVisit join={join} /></StrictMode>);
}
