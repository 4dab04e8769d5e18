// The server's word that something changed in the clinic: what is on screen is asked for anew. It carries no data.

import { useQueryClient } from '@tanstack/react-query';
import { useEffect } from 'react';
import { Store } from '../../lib/store';
import { meQuery } from './session';

const AGAIN_MS = 5_000;
/** A busy visit changes many times a second; every refresh reads patients' data, and every such reading is logged. */
const REFRESH_AT_MOST_EVERY_MS = 2_000;

/** False while live updates are interrupted. */
export const live = new Store(true);

export function useEvents(on: boolean): void {
  const queries = useQueryClient();
  useEffect(() => {
    if (!on) return;
    let source: EventSource | null = null;
    let again: ReturnType<typeof setTimeout> | undefined;
    let missed = false;
    let refreshed = 0;
    let due: ReturnType<typeof setTimeout> | undefined;
    const refresh = () => {
      due ??= setTimeout(() => {
        due = undefined;
        refreshed = Date.now();
        void queries.invalidateQueries({ queryKey: ['clinic'] });
      }, Math.max(0, refreshed + REFRESH_AT_MOST_EVERY_MS - Date.now()));
    };
    const open = () => {
      source = new EventSource('/api/v1/events');
      source.onopen = () => {
        live.set(true);
        if (missed) refresh();
        missed = false;
      };
      source.addEventListener('today', refresh);
      // The session was ended elsewhere: asking who is signed in says so, and what is on screen goes.
      source.addEventListener('signed_out', () => {
        source?.close();
        void queries.invalidateQueries({ queryKey: meQuery.queryKey });
      });
      source.onerror = () => {
        missed = true;
        live.set(false);
        if (source?.readyState === EventSource.CLOSED) again = setTimeout(open, AGAIN_MS);
      };
    };
    open();
    return () => {
      clearTimeout(again);
      clearTimeout(due);
      source?.close();
      live.set(true);
    };
  }, [on, queries]);
}
