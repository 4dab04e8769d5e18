import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { Problem } from '../../lib/api/client';
import type { Note } from '../../lib/api/types';
import { NoteDraft, type NoteIo } from './note-draft';

const note = (body: string, version: number, state: Note['state'] = 'draft'): Note => ({ state, body, version, signed_at: null, signed_by: null, addenda: [] });

/** A server with one note, as strict about versions as the real one. */
class NoteServer implements NoteIo {
  stored = note('', 0, 'none');
  saves: string[] = [];
  failure: Problem | null = null;

  load = () => Promise.resolve({ ...this.stored });
  save = (body: string, version: number) => {
    this.saves.push(body);
    if (this.failure) return Promise.reject(this.failure);
    if (this.stored.state === 'signed') return Promise.reject(new Problem(409, { code: 'note.signed' }));
    if (version !== this.stored.version) return Promise.reject(new Problem(412, { code: 'note.changed_elsewhere' }));
    this.stored = note(body, version + 1);
    return Promise.resolve({ ...this.stored });
  };
  sign = (version: number) => {
    if (version !== this.stored.version) return Promise.reject(new Problem(412, { code: 'note.changed_elsewhere' }));
    this.stored = { ...this.stored, state: 'signed' };
    return Promise.resolve({ ...this.stored });
  };
  addend = (body: string) => {
    this.stored = { ...this.stored, addenda: [...this.stored.addenda, { body, author: 'Dr. Osei', at: '2025-01-01T00:00:00Z' }] };
    return Promise.resolve({ ...this.stored });
  };
}

let server: NoteServer;
let draft: NoteDraft;

beforeEach(async () => {
  vi.useFakeTimers();
  server = new NoteServer();
  draft = new NoteDraft(server);
  await draft.load();
});
afterEach(() => vi.useRealTimers());

test('typing is saved once, after the last key', async () => {
  for (const text of ['K', 'Kn', 'Knee']) draft.type(text);
  expect(draft.unsaved()).toBe(true);
  await vi.advanceTimersByTimeAsync(1_000);
  expect(server.saves).toEqual(['Knee']);
  expect(draft.unsaved()).toBe(false);
});

test('what is typed while a save is under way is saved next, on top of its version', async () => {
  draft.type('Knee');
  const saving = draft.save();
  draft.type('Knee pain');
  await saving;
  await vi.advanceTimersByTimeAsync(1_000);
  expect(server.stored).toMatchObject({ body: 'Knee pain', version: 2 });
});

test('a version saved elsewhere is never overwritten, and nothing typed is lost', async () => {
  server.stored = note('From the other window', 1);
  draft.type('Mine');
  await vi.advanceTimersByTimeAsync(1_000);
  expect(draft.state.get()).toMatchObject({ text: 'Mine', status: { is: 'conflict', theirs: { body: 'From the other window' } } });
  expect(server.stored.body).toBe('From the other window');
  draft.type('Mine, longer');
  await draft.save();
  await vi.advanceTimersByTimeAsync(5_000);
  expect(server.saves, 'nothing is sent until the person has chosen').toEqual(['Mine']);
  expect(server.stored.body).toBe('From the other window');
  draft.resolve('mine');
  await vi.advanceTimersByTimeAsync(100);
  expect(server.stored).toMatchObject({ body: 'Mine, longer', version: 2 });
});

test('the saved version can be taken instead', async () => {
  server.stored = note('From the other window', 1);
  draft.type('Mine');
  await vi.advanceTimersByTimeAsync(1_000);
  draft.resolve('theirs');
  expect(draft.state.get()).toMatchObject({ text: 'From the other window', status: { is: 'clean' } });
});

test('a lost network is waited out', async () => {
  server.failure = new Problem(0, { code: 'network' });
  draft.type('Knee');
  await vi.advanceTimersByTimeAsync(1_000);
  expect(draft.state.get().status.is).toBe('failed');
  server.failure = null;
  await vi.advanceTimersByTimeAsync(3_000);
  expect(server.stored.body).toBe('Knee');
});

test('signing saves first and signs exactly what is on the screen', async () => {
  draft.type('Knee pain, better at rest');
  expect(await draft.sign()).toBe(true);
  expect(server.stored).toMatchObject({ body: 'Knee pain, better at rest', state: 'signed' });
});

test('a conflict is not signed over', async () => {
  server.stored = note('From the other window', 1);
  draft.type('Mine');
  expect(await draft.sign()).toBe(false);
  expect(server.stored.state).toBe('draft');
});

test('text that was not saved before the session was lost is saved after signing in again', async () => {
  server.failure = new Problem(401, { code: 'signed_out' });
  draft.type('Knee');
  await vi.advanceTimersByTimeAsync(1_000);
  server.failure = null;
  await draft.load();
  expect(draft.state.get().text).toBe('Knee');
  await vi.advanceTimersByTimeAsync(100);
  expect(server.stored.body).toBe('Knee');
});
