// The way from a link to the visit, as a view model: which step comes next and what the server said. Patients come by
// /v/ and show their date of birth, guests by /g/ and say their name; all else is the same for both.
// The token leaves the address bar at once; it is kept for this tab only until it has made a session.

import { Call } from '../../call/call';
import type { TicketAnswer } from '../../call/link';
import { get, post, put, Problem } from '../../lib/api/client';
import type { GuestPage, GuestState, JoinState, Location, Opened, Site, Ticket } from '../../lib/api/types';
import { Store } from '../../lib/store';

/** Where links begin, where their API is, and what is kept in this tab. */
const WAYS = {
  patient: { at: '/v/', api: '/join', token: 'bedside.link', line: 'bedside.line' },
  guest: { at: '/g/', api: '/guest', token: 'bedside.guest_link', line: 'bedside.guest_line' },
} as const;

/** Shown in the address bar after the link was opened; what stands there is no token. */
const CLEAN = 'me';

/** Who has come: what both kinds of people have in common, and what only one has. */
export type Who = Pick<JoinState & GuestState, 'visit_id' | 'provider_name' | 'clinic_name' | 'clinic_phone' | 'starts_at' | 'consent' | 'visit_state'>
  & Partial<Pick<JoinState, 'location' | 'declined'> & Pick<GuestState, 'role' | 'name'>>;

export type Step =
  | { is: 'opening' }
  | { is: 'unusable' }
  | { is: 'failed'; error: unknown }
  | { is: 'identity' }
  | { is: 'name'; page: GuestPage }
  | { is: 'locked' }
  | { is: 'location' }
  | { is: 'consent' }
  | { is: 'call'; call: Call; straightIn: boolean }
  | { is: 'left' }
  | { is: 'declined'; words: string }
  | { is: 'over'; why: 'done' | 'ended' | 'no_show' | 'replaced' | 'revoked' | 'not_allowed' | 'room_full' };

export interface JoinView {
  step: Step;
  site: Site | null;
  clinic: Opened | null;
  who: Who | null;
}

export class Join {
  readonly state = new Store<JoinView>({ step: { is: 'opening' }, site: null, clinic: null, who: null });
  #token: string | null = null;
  #call: Call | null = null;
  #watching: (() => void) | null = null;
  #wasInLine = false;
  readonly #way: (typeof WAYS)[keyof typeof WAYS];

  constructor(readonly as: keyof typeof WAYS) {
    this.#way = WAYS[as];
  }

  async start(): Promise<void> {
    get<Site>('/site').then((site) => this.state.patch({ site }), () => undefined);
    const fromLink = /^\/[vg]\/([^/]+)$/.exec(location.pathname)?.[1];
    if (fromLink && fromLink !== CLEAN) {
      this.#token = decodeURIComponent(fromLink);
      keep(this.#way.token, this.#token);
      history.replaceState(null, '', this.#way.at + CLEAN);
    } else this.#token = kept(this.#way.token);
    await this.open();
  }

  async open(): Promise<void> {
    this.state.patch({ step: { is: 'opening' } });
    try {
      if (!this.#token) {
        this.#proceed(await get<Who>(this.#way.api));
        return;
      }
      const page = await post<Opened | GuestPage>(`${this.#way.api}/open`, { token: this.#token });
      this.state.patch({ clinic: page, step: 'role' in page ? { is: 'name', page } : { is: 'identity' } });
    } catch (error) {
      const gone = error instanceof Problem && (error.status === 404 || error.status === 401 || error.status === 403);
      if (gone) forget(this.#way.token);
      this.state.patch({ step: gone ? { is: 'unusable' } : { is: 'failed', error } });
    }
  }

  /** Null when it went on; otherwise what to tell the person. */
  async confirm(dateOfBirth: string): Promise<Problem | null> {
    try {
      this.#arrived(await post<JoinState>('/join/identity', { token: this.#token, date_of_birth: dateOfBirth }));
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      if (error.code === 'join.locked') this.state.patch({ step: { is: 'locked' } });
      else if (error.status === 404) this.state.patch({ step: { is: 'unusable' } });
      else return error;
    }
    return null;
  }

  /** A guest says who they are. Null when it went on; otherwise what to tell the person. */
  async arrive(name: string): Promise<Problem | null> {
    try {
      this.#arrived(await post<GuestState>('/guest/arrive', { token: this.#token, name }));
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      if (error.status !== 404) return error;
      this.state.patch({ step: { is: 'unusable' } });
    }
    return null;
  }

  #arrived(who: Who): void {
    this.#token = null;
    forget(this.#way.token);
    this.#proceed(who);
  }

  async locate(where: Location): Promise<void> {
    await put<undefined>('/join/location', where);
    await this.refresh();
  }

  async agree(version: string, lang: string): Promise<void> {
    await post<undefined>(`${this.#way.api}/consent`, { text_version: version, lang });
    await this.refresh();
  }

  async refresh(): Promise<void> {
    this.#proceed(await get<Who>(this.#way.api));
  }

  joinWaitingRoom(): void {
    const { who } = this.state.get();
    if (who) keep(this.#way.line, who.visit_id);
    this.#wasInLine = true;
    this.#reportDevices();
    this.#call?.joinWaitingRoom();
  }

  /** Staff see what works before they let anybody in. Nothing hangs on it, so nobody waits for it. */
  #reportDevices(): void {
    if (this.as !== 'patient' || !this.#call) return;
    const { camera, microphone } = this.#call.devices.state.get();
    const { grade, roundTripMs, loss, upKbps } = this.#call.network.get();
    const works = ({ is }: typeof camera) => (is === 'failed' || is === 'off' ? 'failed' : 'works');
    void put<undefined>('/join/devices', {
      camera: works(camera), microphone: works(microphone), network: grade, round_trip_ms: roundTripMs, loss, up_kbps: upKbps, down_kbps: null,
    }).catch(() => undefined);
  }

  leave(): void {
    forget(this.#way.line);
    this.#call?.leave();
    this.#close();
    this.state.patch({ step: { is: 'left' } });
  }

  /** After `leave`: ends the session on this device. */
  async finish(): Promise<void> {
    await post<undefined>(`${this.#way.api}/leave`, undefined, { keepalive: true }).catch(() => undefined);
    this.state.patch({ step: { is: 'over', why: 'done' } });
  }

  /** Back to where one was: whoever has been in line needs no second device check. */
  again(): void {
    const { who } = this.state.get();
    if (who && this.#wasInLine) keep(this.#way.line, who.visit_id);
    this.refresh().catch((error: unknown) => this.state.patch({ step: error instanceof Problem && error.status === 401 ? { is: 'unusable' } : { is: 'failed', error } }));
  }

  #proceed(who: Who): void {
    this.state.patch({ who, clinic: { clinic_name: who.clinic_name, clinic_phone: who.clinic_phone } });
    if (who.visit_state === 'ended') this.state.patch({ step: { is: 'over', why: 'ended' } });
    else if (who.visit_state === 'cancelled') this.state.patch({ step: { is: 'over', why: 'not_allowed' } });
    else if (who.visit_state === 'no_show') this.state.patch({ step: { is: 'over', why: 'no_show' } });
    else if (who.declined) this.state.patch({ step: { is: 'declined', words: who.declined } });
    else if (this.as === 'patient' && !who.location) this.state.patch({ step: { is: 'location' } });
    else if (!who.consent) this.state.patch({ step: { is: 'consent' } });
    else this.#begin(who);
  }

  #begin(who: Who): void {
    this.#close();
    const call = new Call({ url: signalUrl(), ticket: () => ticket(`${this.#way.api}/ticket`) });
    this.#call = call;
    const straightIn = kept(this.#way.line) === who.visit_id;
    if (straightIn) {
      this.#wasInLine = true;
      call.joinWaitingRoom();
    }
    this.#watching = call.state.subscribe(() => this.#callChanged(call));
    call.start();
    void call.devices.start();
    this.state.patch({ step: { is: 'call', call, straightIn } });
  }

  #callChanged(call: Call): void {
    const { ended } = call.state.get();
    if (!ended || call !== this.#call) return;
    this.#close();
    if (ended === 'incomplete') {
      this.again();
      return;
    }
    if (ended === 'left') {
      this.state.patch({ step: { is: 'left' } });
      return;
    }
    if (ended !== 'replaced') forget(this.#way.line);
    if (this.as === 'patient' && (ended === 'revoked' || ended === 'not_allowed')) {
      this.#sentAway(ended);
      return;
    }
    this.state.patch({ step: { is: 'over', why: ended === 'visit_ended' ? 'ended' : ended === 'signed_out' ? 'revoked' : ended } });
  }

  /** Out of the room: if the clinic said why, the page does, too. */
  #sentAway(ended: 'revoked' | 'not_allowed'): void {
    const over = () => this.state.patch({ step: { is: 'over', why: ended } });
    get<JoinState>('/join').then((who) => {
      if (who.declined) this.#proceed(who);
      else over();
    }, over);
  }

  #close(): void {
    this.#watching?.();
    this.#watching = null;
    const call = this.#call;
    this.#call = null;
    // `leave` may still be on its way: the call closes its link itself.
    if (call) setTimeout(() => call.close(), 1_600);
    call?.devices.close();
  }
}

export function signalUrl(): string {
  return `${location.protocol === 'https:' ? 'wss' : 'ws'}://${location.host}/signal`;
}

async function ticket(path: string): Promise<TicketAnswer> {
  try {
    return await post<Ticket>(path, undefined, { background: true });
  } catch (error) {
    if (error instanceof Problem) {
      if (error.status === 401) return { refused: 'signed_out' };
      if (error.status === 403 || error.status === 404 || error.status === 410) return { refused: 'not_allowed' };
      if (error.code === 'visit.over') return { refused: 'visit_ended' };
      if (error.status === 409) return { refused: 'incomplete' };
    }
    throw error;
  }
}

// Storage may be refused (private windows): then a reload begins with the link again, and nothing else is lost.

function keep(key: string, value: string): void {
  try {
    sessionStorage.setItem(key, value);
  } catch { /* see above */ }
}

function kept(key: string): string | null {
  try {
    return sessionStorage.getItem(key);
  } catch {
    return null;
  }
}

function forget(key: string): void {
  try {
    sessionStorage.removeItem(key);
  } catch { /* see above */ }
}
