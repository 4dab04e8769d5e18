// The websocket to /signal that comes back by itself: ticket, hello, liveness, backoff. It knows nothing of rooms or media.

import { Store } from '../lib/store';
import { backoffMs } from './backoff';
import { SUBPROTOCOL, type ClientMessage, type CloseReason, type ServerMessage } from './wire';

const PING_EVERY_MS = 4_000;
const PONG_WITHIN_MS = 6_000;
const WELCOME_WITHIN_MS = 8_000;

/** Why a link will not come back. The last three come from the ticket desk, the others from the server's `closed`. */
export type LinkEnd = Extract<CloseReason, 'left' | 'visit_ended' | 'replaced' | 'revoked' | 'room_full'> | 'signed_out' | 'not_allowed' | 'incomplete';

export type LinkState =
  | { is: 'idle' }
  | { is: 'connecting' }
  | { is: 'open' }
  | { is: 'reconnecting'; attempt: number }
  | { is: 'ended'; why: LinkEnd };

/** What the ticket desk says: a ticket, a final no, or (by throwing) "try again". */
export type TicketAnswer = { ticket: string } | { refused: LinkEnd };

export interface LinkOptions {
  url: string;
  ticket: () => Promise<TicketAnswer>;
  onMessage: (message: ServerMessage) => void;
  openSocket?: (url: string, subprotocol: string) => WebSocket;
  random?: () => number;
}

const FINAL: ReadonlySet<CloseReason> = new Set(['left', 'visit_ended', 'replaced', 'revoked', 'room_full']);

export class Link {
  readonly state = new Store<LinkState>({ is: 'idle' });
  readonly #options: LinkOptions;
  #socket: WebSocket | null = null;
  /** Grows with every attempt; what an older attempt still has to say is not heard. */
  #turn = 0;
  #attempt = 0;
  #retry: ReturnType<typeof setTimeout> | undefined;
  #welcome: ReturnType<typeof setTimeout> | undefined;
  #pinger: ReturnType<typeof setInterval> | undefined;
  #pings = 0;
  #unanswered: ReturnType<typeof setTimeout> | undefined;

  constructor(options: LinkOptions) {
    this.#options = options;
  }

  start(): void {
    if (this.state.get().is !== 'idle') return;
    globalThis.addEventListener?.('online', this.#hurry);
    globalThis.addEventListener?.('offline', this.#offline);
    this.state.set({ is: 'connecting' });
    void this.#connect();
  }

  /** Closes for good, without telling the server: say `leave` first if that is meant. */
  stop(why: LinkEnd = 'left'): void {
    if (this.state.get().is === 'ended') return;
    this.#drop();
    globalThis.removeEventListener?.('online', this.#hurry);
    globalThis.removeEventListener?.('offline', this.#offline);
    this.state.set({ is: 'ended', why });
  }

  /** False when it could not be sent now; the caller decides whether to say it again after the next welcome. */
  send(message: ClientMessage): boolean {
    if (this.state.get().is !== 'open' || this.#socket?.readyState !== 1) return false;
    this.#socket.send(JSON.stringify(message));
    return true;
  }

  #hurry = (): void => {
    if (this.state.get().is === 'reconnecting') {
      this.#attempt = 0;
      this.#drop();
      void this.#connect();
    }
  };

  /** The system knows before a ping does. */
  #offline = (): void => {
    if (this.state.get().is === 'open') this.#again();
  };

  async #connect(): Promise<void> {
    const turn = ++this.#turn;
    let answer: TicketAnswer;
    try {
      answer = await this.#options.ticket();
    } catch {
      if (turn === this.#turn) this.#again();
      return;
    }
    if (turn !== this.#turn) return;
    if ('refused' in answer) {
      this.stop(answer.refused);
      return;
    }
    const { ticket } = answer;
    const open = this.#options.openSocket ?? ((url, subprotocol) => new WebSocket(url, subprotocol));
    const socket = open(this.#options.url, SUBPROTOCOL);
    this.#socket = socket;
    this.#welcome = setTimeout(() => this.#lost(turn), WELCOME_WITHIN_MS);
    socket.onopen = () => {
      const hello: ClientMessage = { type: 'hello', ticket };
      socket.send(JSON.stringify(hello));
    };
    socket.onmessage = (event: MessageEvent) => {
      if (turn === this.#turn && typeof event.data === 'string') this.#heard(event.data);
    };
    socket.onclose = () => this.#lost(turn);
    socket.onerror = () => this.#lost(turn);
  }

  #heard(text: string): void {
    const message = JSON.parse(text) as ServerMessage;
    if (message.type === 'pong') {
      clearTimeout(this.#unanswered);
      this.#unanswered = undefined;
      return;
    }
    if (message.type === 'welcome') {
      clearTimeout(this.#welcome);
      this.#attempt = 0;
      this.#watch();
      this.state.set({ is: 'open' });
    }
    if (message.type === 'closed') {
      const { reason } = message;
      if (FINAL.has(reason)) {
        this.stop(reason as LinkEnd);
        return;
      }
      // A connection that the server threw out comes back, but not at once.
      if (reason === 'too_slow' || reason === 'misbehaved') this.#attempt = Math.max(this.#attempt, 3);
    }
    this.#options.onMessage(message);
  }

  /** A half-open connection is found by a ping that nobody answers. */
  #watch(): void {
    const turn = this.#turn;
    clearInterval(this.#pinger);
    this.#pinger = setInterval(() => {
      if (this.#unanswered !== undefined) return;
      if (this.send({ type: 'ping', n: ++this.#pings })) {
        this.#unanswered = setTimeout(() => this.#lost(turn), PONG_WITHIN_MS);
      }
    }, PING_EVERY_MS);
  }

  #lost(turn: number): void {
    if (turn !== this.#turn || this.state.get().is === 'ended') return;
    this.#again();
  }

  #again(): void {
    this.#drop();
    const attempt = this.#attempt++;
    this.state.set({ is: 'reconnecting', attempt });
    this.#retry = setTimeout(() => void this.#connect(), backoffMs(attempt, this.#options.random));
  }

  #drop(): void {
    this.#turn++;
    clearTimeout(this.#retry);
    clearTimeout(this.#welcome);
    clearTimeout(this.#unanswered);
    clearInterval(this.#pinger);
    this.#unanswered = undefined;
    const socket = this.#socket;
    this.#socket = null;
    if (socket) {
      socket.onopen = socket.onmessage = socket.onclose = socket.onerror = null;
      socket.close();
    }
  }
}
