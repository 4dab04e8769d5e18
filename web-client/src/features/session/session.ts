// Who is signed in, and what their role may see here. The server decides; this only spares people dead ends.

import { queryOptions, type QueryClient } from '@tanstack/react-query';
import { get, post, Problem } from '../../lib/api/client';
import type { Me, Role } from '../../lib/api/types';
import { forgetDrafts } from '../visit/note-draft';

export const meQuery = queryOptions({
  queryKey: ['me'],
  queryFn: () => get<Me>('/me').catch((error: unknown) => {
    if (error instanceof Problem && error.status === 401) return null;
    throw error;
  }),
  staleTime: Infinity,
  retry: false,
});

export type PageName = 'today' | 'patients' | 'visit' | 'quality' | 'audit' | 'emergency_access' | 'retention' | 'mail' | 'staff' | 'settings' | 'account';

const PAGES: Record<Role, readonly PageName[]> = {
  provider: ['today', 'patients', 'visit'],
  nurse: ['today', 'patients', 'visit'],
  front_desk: ['today', 'patients'],
  clinic_admin: ['quality', 'staff', 'patients', 'audit', 'mail', 'settings'],
  compliance: ['audit', 'emergency_access', 'retention', 'quality', 'patients', 'staff', 'visit'],
  super_admin: [],
  patient: [],
  guardian: [],
  interpreter: [],
  specialist: [],
};

export function maySee(role: Role, page: PageName): boolean {
  return page === 'account' || PAGES[role].includes(page);
}

export function navOf(role: Role): Exclude<PageName, 'visit' | 'account'>[] {
  return PAGES[role].filter((page) => page !== 'visit' && page !== 'account');
}

export function homeOf(role: Role): string {
  const page = PAGES[role][0];
  return page ? `/app/${page}` : '/app';
}

export async function signOut(queries: QueryClient): Promise<void> {
  await post<undefined>('/auth/sign-out').catch(() => undefined);
  forgetDrafts();
  queries.setQueryData(meQuery.queryKey, null);
  forgetAnswers(queries);
}

/** Drops everything that the server said, but for who is signed in: views hang on that, and would not see it replaced. */
function forgetAnswers(queries: QueryClient): void {
  queries.removeQueries({ predicate: (query) => query.queryKey[0] !== meQuery.queryKey[0] });
}

/** Someone has signed in: what another person left in this tab goes. */
export function signedIn(queries: QueryClient, me: Me): void {
  if (lastPerson !== null && lastPerson !== me.staff_id) {
    forgetDrafts();
    forgetAnswers(queries);
  }
  lastPerson = me.staff_id;
  queries.setQueryData(meQuery.queryKey, me);
}

let lastPerson: string | null = null;

/** Remembers who it was, so that a lost session gives their unsaved text back to them and to nobody else. */
export function rememberPerson(me: Me): void {
  lastPerson ??= me.staff_id;
}
