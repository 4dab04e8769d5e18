// A note being written, as a view model: saved about a second after the last key, never overwriting someone else's
// version, never losing what was typed. Unsaved text lives in memory only: it is PHI and must not reach the browser's storage.

import { Problem } from '../../lib/api/client';
import type { Note } from '../../lib/api/types';
import { Store } from '../../lib/store';

const SAVE_AFTER_MS = 900;
const RETRY_AFTER_MS = 3_000;

export interface NoteIo {
  load(): Promise<Note>;
  save(body: string, version: number): Promise<Note>;
  sign(version: number): Promise<Note>;
  addend(body: string): Promise<Note>;
}

export type NoteStatus =
  | { is: 'clean'; at: number | null }
  | { is: 'dirty' }
  | { is: 'saving' }
  | { is: 'failed'; error: unknown }
  | { is: 'conflict'; theirs: Note };

export interface NoteState {
  /** Null until loaded. */
  note: Note | null;
  text: string;
  status: NoteStatus;
  loadError: unknown;
}

export class NoteDraft {
  readonly state = new Store<NoteState>({ note: null, text: '', status: { is: 'clean', at: null }, loadError: null });
  readonly #io: NoteIo;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #saving: Promise<void> | null = null;

  constructor(io: NoteIo) {
    this.#io = io;
  }

  async load(): Promise<void> {
    this.state.patch({ loadError: null });
    try {
      const note = await this.#io.load();
      const { text, status } = this.state.get();
      // What was typed and not saved (before a lost session) is not overwritten: saving will find out whether it fits.
      const unsaved = status.is !== 'clean';
      this.state.patch({ note, text: unsaved ? text : note.body });
      if (unsaved && status.is !== 'conflict') this.#later(0);
    } catch (error) {
      this.state.patch({ loadError: error });
    }
  }

  type(text: string): void {
    const { status } = this.state.get();
    this.state.patch({ text, status: status.is === 'conflict' ? status : { is: 'dirty' } });
    if (status.is !== 'conflict') this.#later(SAVE_AFTER_MS);
  }

  /** Saves what is there now; resolves when nothing is unsaved any more, or it failed. */
  async save(): Promise<void> {
    clearTimeout(this.#timer);
    while (this.#saving) await this.#saving;
    const { note, text, status } = this.state.get();
    if (!note || note.state === 'signed' || status.is === 'conflict' || status.is === 'clean') return;
    this.#saving = this.#put(text, note.version).finally(() => {
      this.#saving = null;
    });
    await this.#saving;
  }

  /** True when it is signed now; false when unsaved text or a conflict stands in the way. Throws what the server refused. */
  async sign(): Promise<boolean> {
    await this.save();
    const { note, status } = this.state.get();
    if (!note || status.is !== 'clean') return false;
    this.state.patch({ note: await this.#io.sign(note.version) });
    return true;
  }

  async addend(body: string): Promise<void> {
    this.state.patch({ note: await this.#io.addend(body) });
  }

  /** Out of a conflict: my text becomes the next version after theirs, or theirs replaces it. */
  resolve(keep: 'mine' | 'theirs'): void {
    const { status } = this.state.get();
    if (status.is !== 'conflict') return;
    if (keep === 'theirs') {
      this.state.patch({ note: status.theirs, text: status.theirs.body, status: { is: 'clean', at: null } });
      return;
    }
    this.state.patch({ note: status.theirs, status: { is: 'dirty' } });
    this.#later(0);
  }

  unsaved(): boolean {
    return this.state.get().status.is !== 'clean';
  }

  #later(ms: number): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => void this.save(), ms);
  }

  async #put(text: string, version: number): Promise<void> {
    this.state.patch({ status: { is: 'saving' } });
    try {
      const note = await this.#io.save(text, version);
      const changed = this.state.get().text !== text;
      this.state.patch({ note, status: changed ? { is: 'dirty' } : { is: 'clean', at: Date.now() } });
      if (changed) this.#later(SAVE_AFTER_MS);
    } catch (error) {
      const conflict = error instanceof Problem && (error.code === 'note.changed_elsewhere' || error.code === 'note.signed');
      if (conflict) {
        await this.#meetConflict(text);
        return;
      }
      this.state.patch({ status: { is: 'failed', error } });
      // A lost network comes back; a refusal does not.
      if (!(error instanceof Problem) || error.status === 0 || error.status >= 500 || error.status === 429) this.#later(RETRY_AFTER_MS);
    }
  }

  async #meetConflict(text: string): Promise<void> {
    try {
      const theirs = await this.#io.load();
      if (theirs.body === text && this.state.get().text === text) this.state.patch({ note: theirs, status: { is: 'clean', at: Date.now() } });
      else this.state.patch({ status: { is: 'conflict', theirs } });
    } catch (error) {
      this.state.patch({ status: { is: 'failed', error } });
      this.#later(RETRY_AFTER_MS);
    }
  }
}

const drafts = new Map<string, NoteDraft>();

/** The draft of a visit's note: the same one for as long as this page lives, also across a lost session. */
export function draftOf(visit: string, io: () => NoteIo): NoteDraft {
  let draft = drafts.get(visit);
  if (!draft) {
    draft = new NoteDraft(io());
    drafts.set(visit, draft);
  }
  return draft;
}

export function anythingUnsaved(): boolean {
  return [...drafts.values()].some((draft) => draft.unsaved());
}

/** On sign-out: what one person typed is not for the next. */
export function forgetDrafts(): void {
  drafts.clear();
}
