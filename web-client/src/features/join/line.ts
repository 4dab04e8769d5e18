// Where one stands in line and what the clinic says, as the server tells it: a stream of places, and words when those changed.

import { get, post } from '../../lib/api/client';
import type { LinePlace, WaitingWords } from '../../lib/api/types';
import { Store } from '../../lib/store';

const AGAIN_MS = 5_000;

export interface LineView { place: LinePlace | null; words: WaitingWords | null }

export class Line {
  readonly state = new Store<LineView>({ place: null, words: null });
  #source: EventSource | null = null;
  #again: ReturnType<typeof setTimeout> | undefined;
  #known: number | null = null;
  #over = false;

  start(): void {
    this.#over = false;
    this.#open();
  }

  stop(): void {
    this.#over = true;
    clearTimeout(this.#again);
    this.#source?.close();
    this.#source = null;
  }

  async say(id: string, words: string): Promise<void> {
    await post<undefined>('/join/messages', { message_id: id, words });
    await this.#read();
  }

  #open(): void {
    const source = new EventSource('/api/v1/join/events');
    this.#source = source;
    source.addEventListener('line', (event: MessageEvent<string>) => {
      const place = JSON.parse(event.data) as LinePlace;
      this.state.patch({ place });
      if (place.words !== this.#known) {
        this.#known = place.words;
        void this.#read();
      }
    });
    // What happens then is the call's business, which hears of it as well.
    source.addEventListener('signed_out', () => this.stop());
    source.onerror = () => {
      // The browser comes back by itself from a lost network, not from an answer that was no stream.
      if (source.readyState === EventSource.CLOSED && !this.#over) this.#again = setTimeout(() => this.#open(), AGAIN_MS);
    };
  }

  async #read(): Promise<void> {
    try {
      const words = await get<WaitingWords>('/join/waiting', { background: true });
      if (!this.#over) this.state.patch({ words });
    } catch {
      // Asked again with the next change, or when the stream comes back.
      this.#known = null;
    }
  }
}
