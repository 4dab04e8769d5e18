import type { QueryClient, QueryFunctionContext } from '@tanstack/react-query';
import { get } from './client';

/** A query function for `path`: the first time a person asked for it; every later time the page did, which must not keep an idle session alive. */
export function reading<T>(path: string): (context: QueryFunctionContext) => Promise<T> {
  return ({ client, queryKey, signal }: QueryFunctionContext & { client: QueryClient }) =>
    get<T>(path, { signal, background: client.getQueryData(queryKey) !== undefined });
}
