// The lines as staff see them, and the deeds: each says on which version it was decided.

import { queryOptions } from '@tanstack/react-query';
import { call } from '../../lib/api/client';
import { reading } from '../../lib/api/refetch';
import type { QueueBoard, QueueItem } from '../../lib/api/types';

/** Under `clinic`: asked for anew whenever the server says that something changed. */
export const queueQuery = queryOptions({ queryKey: ['clinic', 'queue'], queryFn: reading<QueueBoard>('/queue') });

export type Deed = 'hold' | 'wait' | 'move' | 'decline' | 'no-show' | 'expect';

export async function deed<T>(visit: string, name: Deed, version: number, body?: unknown): Promise<T> {
  return (await call<T>(`/visits/${visit}/${name}`, { method: 'POST', ifMatch: `"${version}"`, body })).body;
}

export type Queued = Map<string, QueueItem>;

export function byVisit(board: QueueBoard | undefined): Queued {
  return new Map(board?.items.map((item) => [item.visit_id, item]));
}
