// Entry of the portal's side: patients and guardians who sign in.

import { StrictMode } from 'react';
import { createRoot } from 'react-dom/client';
import { PortalSite } from '../features/portal';
import { startTexts } from '../lib/i18n/text';

export async function startPortal(root: HTMLElement): Promise<void> {
  await startTexts(['common', 'patients', 'portal']);
  createRoot(root).render(<StrictMode><PortalSite /></StrictMode>);
}
