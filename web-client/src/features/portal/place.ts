// Where in the portal one is: the path below /portal, kept in the address bar so that Back works.

import { useSyncExternalStore } from 'react';

const BASE = '/portal';
const watching = new Set<() => void>();

function subscribe(changed: () => void): () => void {
  watching.add(changed);
  addEventListener('popstate', changed);
  return () => {
    watching.delete(changed);
    removeEventListener('popstate', changed);
  };
}

function place(): string {
  return location.pathname.slice(BASE.length).replace(/\/+$/, '') || '/';
}

export function usePlace(): string {
  return useSyncExternalStore(subscribe, place);
}

export function go(to: string, replace = false): void {
  history[replace ? 'replaceState' : 'pushState'](null, '', to === '/' ? BASE : BASE + to);
  watching.forEach((changed) => changed());
}
