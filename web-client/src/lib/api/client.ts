// The one door to the HTTP API: JSON in and out, problems as typed errors, a hook for "signed out".

/** An answer that was not 2xx (RFC 9457), or no answer at all (`code` is `network`). */
export class Problem extends Error {
  readonly code: string;
  readonly status: number;
  readonly detail: string;
  readonly requestId: string;
  readonly retryAfterS: number | null;
  /** Everything else that the server said, e.g. `tries_left`. */
  readonly more: Record<string, unknown>;

  constructor(status: number, body: Record<string, unknown>, retryAfterS: number | null = null) {
    super(String(body.title ?? body.code ?? status));
    this.status = status;
    this.code = String(body.code ?? (status === 401 ? 'signed_out' : 'unknown'));
    this.detail = String(body.detail ?? '');
    this.requestId = String(body.request_id ?? '');
    this.retryAfterS = retryAfterS;
    this.more = body;
  }
}

export interface Ask {
  method?: 'GET' | 'POST' | 'PUT' | 'DELETE';
  body?: unknown;
  /** Sent as it is, in the place of JSON. */
  file?: File;
  ifMatch?: string;
  idempotencyKey?: string;
  /** Not asked for by a person: must not keep an idle session alive. */
  background?: boolean;
  /** Survives the page being closed. */
  keepalive?: boolean;
  signal?: AbortSignal;
}

export interface Answer<T> { body: T; etag: string | null }

let signedOut: () => void = () => undefined;

/** Called on every 401 with code `signed_out`. */
export function onSignedOut(then: () => void): void {
  signedOut = then;
}

let confirmAgain: () => Promise<boolean> = () => Promise.resolve(false);

/** Called when an answer says that the second factor is needed again; says whether it was given. */
export function onStaleFactor(then: () => Promise<boolean>): void {
  confirmAgain = then;
}

/** Asks the API. A request that needs the second factor again is repeated once that was given. */
export async function call<T>(path: string, ask: Ask = {}): Promise<Answer<T>> {
  return repeated(ask, async () => {
    const response = await send(path, ask);
    const body = response.status === 204 || response.status === 202 ? (undefined as T) : ((await response.json()) as T);
    return { body, etag: response.headers.get('etag') };
  });
}

/** Saves what the server sends as a file, under the name that the server gives it. */
export async function download(path: string, otherwise: string): Promise<void> {
  const response = await repeated({}, () => send(path, {}));
  const name = /filename="([^"]+)"/.exec(response.headers.get('content-disposition') ?? '')?.[1] ?? otherwise;
  const address = URL.createObjectURL(await response.blob());
  const link = Object.assign(document.createElement('a'), { href: address, download: name });
  link.click();
  URL.revokeObjectURL(address);
}

async function repeated<T>(ask: Ask, once: () => Promise<T>): Promise<T> {
  try {
    return await once();
  } catch (error) {
    const stale = error instanceof Problem && error.code === 'second_factor.stale' && !ask.background;
    if (!stale || !(await confirmAgain())) throw error;
    return once();
  }
}

async function send(path: string, ask: Ask): Promise<Response> {
  const headers: Record<string, string> = { accept: 'application/json' };
  if (ask.body !== undefined) headers['content-type'] = 'application/json';
  if (ask.file) {
    headers['content-type'] = ask.file.type;
    // Not in the address: a file's name may say much about a patient.
    headers['x-file-name'] = encodeURIComponent(ask.file.name);
  }
  if (ask.ifMatch !== undefined) headers['if-match'] = ask.ifMatch;
  if (ask.idempotencyKey !== undefined) headers['idempotency-key'] = ask.idempotencyKey;
  if (ask.background) headers['x-bedside-background'] = '1';
  let response: Response;
  try {
    response = await fetch(`/api/v1${path}`, {
      method: ask.method ?? 'GET',
      headers,
      body: ask.file ?? (ask.body === undefined ? null : JSON.stringify(ask.body)),
      credentials: 'same-origin',
      cache: 'no-store',
      keepalive: ask.keepalive ?? false,
      signal: ask.signal ?? null,
    });
  } catch (error) {
    if (error instanceof DOMException && error.name === 'AbortError') throw error;
    throw new Problem(0, { code: 'network' });
  }
  if (!response.ok) {
    const body = await response.json().then((json: unknown) => json as Record<string, unknown>, () => ({}));
    const retry = Number(response.headers.get('retry-after'));
    const problem = new Problem(response.status, body, retry > 0 ? retry : null);
    if (problem.code === 'signed_out') signedOut();
    throw problem;
  }
  return response;
}

/** A file, read while it is sent; `onBytes` is told how much has come. */
export async function fetchFile(path: string, ask: Ask, onBytes: (bytes: number) => void): Promise<Blob> {
  const response = await repeated(ask, () => send(path, ask));
  const parts: BlobPart[] = [];
  let bytes = 0;
  try {
    for (const reader = response.body?.getReader(); reader;) {
      const { done, value } = await reader.read();
      if (done) break;
      parts.push(value);
      bytes += value.byteLength;
      onBytes(bytes);
    }
  } catch (error) {
    if (error instanceof DOMException && error.name === 'AbortError') throw error;
    throw new Problem(0, { code: 'network' });
  }
  return new Blob(parts, { type: response.headers.get('content-type') ?? '' });
}

export async function get<T>(path: string, ask: Ask = {}): Promise<T> {
  return (await call<T>(path, ask)).body;
}

export async function post<T>(path: string, body?: unknown, ask: Ask = {}): Promise<T> {
  return (await call<T>(path, { ...ask, method: 'POST', body })).body;
}

export async function put<T>(path: string, body: unknown, ask: Ask = {}): Promise<T> {
  return (await call<T>(path, { ...ask, method: 'PUT', body })).body;
}

export async function upload<T>(path: string, file: File): Promise<T> {
  return (await call<T>(path, { method: 'POST', file })).body;
}

export async function remove(path: string): Promise<void> {
  await call<undefined>(path, { method: 'DELETE' });
}

/** A query string of the fields that are set. */
export function query(fields: Record<string, string | number | undefined | null>): string {
  const set = Object.entries(fields).filter(([, value]) => value !== undefined && value !== null && value !== '');
  return set.length ? `?${new URLSearchParams(set.map(([key, value]) => [key, String(value)]))}` : '';
}
