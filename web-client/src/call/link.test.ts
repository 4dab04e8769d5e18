import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { backoffMs } from './backoff';
import { Link, type TicketAnswer } from './link';
import { TestSocket } from './testing';
import type { ServerMessage } from './wire';

let heard: ServerMessage[];
let tickets: (() => Promise<TicketAnswer>)[];
let asked: number;

function link(): Link {
  return new Link({
    url: 'ws://clinic.test/signal',
    ticket: () => {
      const next = tickets[asked++] ?? (() => Promise.resolve({ ticket: `ticket ${asked}` }));
      return next();
    },
    onMessage: (message) => heard.push(message),
    openSocket: (url, subprotocol) => new TestSocket(url, subprotocol) as unknown as WebSocket,
    random: () => 1,
  });
}

const settle = () => vi.advanceTimersByTimeAsync(0);

beforeEach(() => {
  vi.useFakeTimers();
  TestSocket.all = [];
  heard = [];
  tickets = [];
  asked = 0;
});
afterEach(() => vi.useRealTimers());

test('the ticket travels in the first message and never in the address', async () => {
  const one = link();
  one.start();
  await settle();
  TestSocket.latest.welcomes();
  expect(TestSocket.latest.url).toBe('ws://clinic.test/signal');
  expect(TestSocket.latest.subprotocol).toBe('bedside.v1');
  expect(TestSocket.latest.sent[0]).toEqual({ type: 'hello', ticket: 'ticket 1' });
  expect(one.state.get()).toEqual({ is: 'open' });
});

test('nothing is sent before the welcome', async () => {
  const one = link();
  one.start();
  await settle();
  TestSocket.latest.opens();
  expect(one.send({ type: 'join_waiting_room' })).toBe(false);
  expect(TestSocket.latest.of('join_waiting_room')).toEqual([]);
});

test('a lost connection comes back with a new ticket', async () => {
  const one = link();
  one.start();
  await settle();
  TestSocket.latest.welcomes();
  TestSocket.latest.breaks();
  expect(one.state.get().is).toBe('reconnecting');
  await vi.advanceTimersByTimeAsync(backoffMs(0, () => 1));
  expect(TestSocket.all).toHaveLength(2);
  TestSocket.latest.welcomes({ resumed: true });
  expect(TestSocket.latest.sent[0]).toEqual({ type: 'hello', ticket: 'ticket 2' });
  expect(one.state.get()).toEqual({ is: 'open' });
});

test('a ticket desk that can not be reached is asked again, later each time', async () => {
  tickets = [1, 2, 3].map(() => () => Promise.reject(new Error('down')));
  const one = link();
  one.start();
  await settle();
  for (const attempt of [0, 1, 2]) {
    expect(one.state.get()).toEqual({ is: 'reconnecting', attempt });
    await vi.advanceTimersByTimeAsync(backoffMs(attempt, () => 1) - 1);
    expect(asked).toBe(attempt + 1);
    await vi.advanceTimersByTimeAsync(1);
    expect(asked).toBe(attempt + 2);
  }
  TestSocket.latest.welcomes();
  expect(one.state.get().is).toBe('open');
});

test('a refused ticket ends the link', async () => {
  tickets = [() => Promise.resolve({ refused: 'signed_out' })];
  const one = link();
  one.start();
  await settle();
  expect(one.state.get()).toEqual({ is: 'ended', why: 'signed_out' });
  expect(TestSocket.all).toEqual([]);
});

test.each(['left', 'visit_ended', 'replaced', 'revoked', 'room_full'] as const)('closed with %s does not come back', async (reason) => {
  const one = link();
  one.start();
  await settle();
  TestSocket.latest.welcomes();
  TestSocket.latest.says({ type: 'closed', reason });
  TestSocket.latest.breaks();
  await vi.advanceTimersByTimeAsync(60_000);
  expect(one.state.get()).toEqual({ is: 'ended', why: reason });
  expect(TestSocket.all).toHaveLength(1);
});

test('a server that restarts is met again', async () => {
  const one = link();
  one.start();
  await settle();
  TestSocket.latest.welcomes();
  TestSocket.latest.says({ type: 'closed', reason: 'restarting' });
  TestSocket.latest.breaks();
  await vi.advanceTimersByTimeAsync(5_000);
  expect(TestSocket.all.length).toBeGreaterThan(1);
});

test('a half-open connection is found by a ping that nobody answers', async () => {
  const one = link();
  one.start();
  await settle();
  TestSocket.latest.welcomes();
  await vi.advanceTimersByTimeAsync(4_000);
  expect(TestSocket.latest.of('ping')).toHaveLength(1);
  await vi.advanceTimersByTimeAsync(6_000);
  expect(one.state.get().is).toBe('reconnecting');
});

test('answered pings keep it open', async () => {
  const one = link();
  one.start();
  await settle();
  TestSocket.latest.welcomes();
  for (let n = 1; n <= 10; n++) {
    await vi.advanceTimersByTimeAsync(4_000);
    TestSocket.latest.says({ type: 'pong', n });
  }
  expect(one.state.get().is).toBe('open');
  expect(TestSocket.all).toHaveLength(1);
});

test('the wait before each attempt doubles up to four seconds, and at least half of it is kept', () => {
  expect([0, 1, 2, 3, 4, 20].map((attempt) => backoffMs(attempt, () => 1))).toEqual([250, 500, 1000, 2000, 4000, 4000]);
  expect(backoffMs(3, () => 0)).toBe(1000);
});
