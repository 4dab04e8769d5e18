// Entry of the staff's side.

import { QueryClient, QueryClientProvider } from '@tanstack/react-query';
import { RouterProvider } from '@tanstack/react-router';
import { StrictMode } from 'react';
import { createRoot } from 'react-dom/client';
import { meQuery } from '../features/session/session';
import { onSignedOut, Problem } from '../lib/api/client';
import { startTexts } from '../lib/i18n/text';
import { router } from './routes';

export async function startStaff(root: HTMLElement): Promise<void> {
  const queries = new QueryClient({
    defaultOptions: {
      queries: {
        staleTime: 2_000,
        // A refusal stays a refusal; only a lost network or a server in trouble is worth asking again.
        retry: (count, error) => count < 2 && (!(error instanceof Problem) || error.status === 0 || error.status >= 502),
      },
    },
  });
  onSignedOut(() => queries.setQueryData(meQuery.queryKey, null));
  await startTexts(['common', 'staff', 'account', 'patients', 'compliance', 'queue', 'waiting']);
  createRoot(root).render(
    <StrictMode>
      <QueryClientProvider client={queries}>
        <RouterProvider router={router} />
      </QueryClientProvider>
    </StrictMode>,
  );
}
