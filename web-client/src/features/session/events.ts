// The server's word that something changed in the clinic: what is on screen is asked for anew. It carries no data.

import { useQueryClient } from '@tanstack/react-query';
import { useEffect } from 'react';
import { Store } from '../../lib/store';

const AGAIN_MS = 5_000;

/** False while live updates are interrupted. */
export const live = new Store(true);

export function useEvents(on: boolean): void {
  const queries = useQueryClient();
  useEffect(() => {
    if (!on) return;
    let source: EventSource | null = null;
    let again: ReturnType<typeof setTimeout> | undefined;
    let missed = false;
    const refresh = () => void queries.invalidateQueries({ queryKey: ['clinic'] });
    const open = () => {
      source = new EventSource('/api/v1/events');
      source.onopen = () => {
        live.set(true);
        if (missed) refresh();
        missed = false;
      };
      source.addEventListener('today', refresh);
      source.onerror = () => {
        missed = true;
        live.set(false);
        if (source?.readyState === EventSource.CLOSED) again = setTimeout(open, AGAIN_MS);
      };
    };
    open();
    return () => {
      clearTimeout(again);
      source?.close();
      live.set(true);
    };
  }, [on, queries]);
}
