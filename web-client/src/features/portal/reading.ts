// Something to read from the server, and where that stands.

import { useCallback, useEffect, useState } from 'react';
import { get } from '../../lib/api/client';

export interface Reading<T> { data: T | null; error: unknown; again: () => void }

/** Reads `path`, and again whenever it changes or `again` is called. What was read before stays until the new answer is there. */
export function useReading<T>(path: string): Reading<T> {
  const [state, setState] = useState<{ path: string; data: T | null; error: unknown }>({ path, data: null, error: null });
  const [round, setRound] = useState(0);
  useEffect(() => {
    const stop = new AbortController();
    get<T>(path, { signal: stop.signal }).then(
      (data) => setState({ path, data, error: null }),
      (error: unknown) => !stop.signal.aborted && setState({ path, data: null, error }),
    );
    return () => stop.abort();
  }, [path, round]);
  const again = useCallback(() => {
    setState((old) => ({ ...old, error: null }));
    setRound((n) => n + 1);
  }, []);
  const current = state.path === path;
  return { data: current ? state.data : null, error: current ? state.error : null, again };
}
