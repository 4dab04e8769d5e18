import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { Call } from './call';
import { TestPeerConnection, TestSocket } from './testing';
import type { PhaseView, ServerMessage } from './wire';

const room = (phase: PhaseView, version = 1): ServerMessage => ({
  type: 'room', version, you: 'me', recording: { is: 'off', last: null },
  participants: [{ participant: 'me', name: 'Ana Ruiz', role: 'patient', phase, audio_muted: false, video_muted: false }],
});

let call: Call;
const settle = () => vi.advanceTimersByTimeAsync(0);

beforeEach(async () => {
  vi.useFakeTimers();
  TestSocket.all = [];
  TestSocket.answersPings = true;
  TestPeerConnection.all = [];
  vi.stubGlobal('WebSocket', TestSocket);
  vi.stubGlobal('RTCPeerConnection', TestPeerConnection);
  vi.stubGlobal('navigator', {});
  vi.stubGlobal('RTCRtpSender', { getCapabilities: () => null });
  vi.stubGlobal('RTCRtpReceiver', { getCapabilities: () => null });
  call = new Call({ url: 'ws://clinic.test/signal', ticket: () => Promise.resolve({ ticket: 'a ticket' }) });
  call.start();
  await settle();
});
afterEach(() => {
  call.close();
  vi.unstubAllGlobals();
  vi.useRealTimers();
});

/** Welcomed, offered, answered, connected. */
async function connected({ resumed = false } = {}): Promise<void> {
  TestSocket.latest.welcomes({ resumed });
  await settle();
  TestSocket.latest.says({ type: 'answer', sdp: 'answer' });
  await settle();
  TestPeerConnection.latest.becomes('connected');
}

async function linkComesBack({ resumed = true } = {}): Promise<void> {
  TestSocket.latest.breaks();
  await vi.advanceTimersByTimeAsync(300);
  TestSocket.latest.welcomes({ resumed });
  await settle();
}

test('the offer has microphone, camera, screen, then a slot for the sound and the picture of everyone there is a seat for, and for a screen', async () => {
  TestSocket.latest.welcomes();
  await settle();
  expect(TestPeerConnection.latest.transceivers.map(({ kind, direction }) => `${kind} ${direction}`)).toEqual([
    'audio sendonly', 'video sendonly', 'video sendonly', ...Array<string>(7).fill('audio recvonly'), ...Array<string>(8).fill('video recvonly'),
  ]);
  expect(TestSocket.latest.of('offer')).toEqual([{ type: 'offer', sdp: 'offer 1' }]);
});

test('a lost link leaves media alone that is alive', async () => {
  await connected();
  await linkComesBack();
  TestPeerConnection.latest.stats = [{ type: 'transport', bytesReceived: 10 }];
  await vi.advanceTimersByTimeAsync(1_000);
  TestPeerConnection.latest.stats = [{ type: 'transport', bytesReceived: 500 }];
  await vi.advanceTimersByTimeAsync(6_000);
  expect(TestPeerConnection.all).toHaveLength(1);
});

test('media that gives no sign of life after the link is back is mended, then made anew', async () => {
  await connected();
  TestPeerConnection.latest.stats = [{ type: 'transport', bytesReceived: 10 }];
  await linkComesBack();
  await vi.advanceTimersByTimeAsync(5_000);
  expect(TestPeerConnection.all).toHaveLength(1);
  expect(TestPeerConnection.latest.restarts).toBe(1);
  await vi.advanceTimersByTimeAsync(8_000);
  expect(TestPeerConnection.all.length).toBeGreaterThan(1);
  expect(TestSocket.latest.of('offer').length).toBeGreaterThan(0);
});

test('a server that does not know the seat any more gets a new offer at once', async () => {
  await connected();
  await linkComesBack({ resumed: false });
  expect(TestSocket.latest.of('offer')).toHaveLength(1);
});

test('a connection that wavers is given another way at once, and replaced if that does not help', async () => {
  await connected();
  TestPeerConnection.latest.becomes('disconnected');
  await settle();
  expect(call.state.get().media).toBe('lost');
  expect(TestPeerConnection.latest.restarts).toBe(1);
  expect(TestSocket.latest.of('offer')).toHaveLength(2);
  TestPeerConnection.latest.becomes('connected');
  await vi.advanceTimersByTimeAsync(5_000);
  expect(TestPeerConnection.all).toHaveLength(1);
  TestPeerConnection.latest.becomes('disconnected');
  await vi.advanceTimersByTimeAsync(8_100);
  expect(TestPeerConnection.all).toHaveLength(2);
});

test('when link and media were lost together the connection is mended as soon as the link is back', async () => {
  await connected();
  TestSocket.latest.breaks();
  TestPeerConnection.latest.becomes('disconnected');
  await vi.advanceTimersByTimeAsync(300);
  expect(TestPeerConnection.latest.restarts).toBe(0);
  TestSocket.latest.welcomes({ resumed: true, relays: ['turns:clinic.test:443?transport=tcp'] });
  await settle();
  expect(TestPeerConnection.all).toHaveLength(1);
  expect(TestPeerConnection.latest.restarts).toBe(1);
  expect(TestPeerConnection.latest.configuration.iceServers).toEqual([{ urls: ['turns:clinic.test:443?transport=tcp'], username: '1:me', credential: 'secret' }]);
  expect(TestSocket.latest.of('offer')).toHaveLength(1);
});

test('the server\'s relays are given to the connection', async () => {
  TestSocket.latest.welcomes({ relays: ['turn:clinic.test:3500?transport=udp'] });
  await settle();
  expect(TestPeerConnection.latest.configuration.iceServers?.[0]?.urls).toEqual(['turn:clinic.test:3500?transport=udp']);
});

test('offers that are refused again and again do not become a storm', async () => {
  TestSocket.latest.welcomes();
  await settle();
  for (let n = 0; n < 100; n++) {
    TestSocket.latest.says({ type: 'refused', code: 'bad_offer', message: '', about: 'offer' });
    await vi.advanceTimersByTimeAsync(50);
  }
  expect(TestSocket.latest.of('offer').length).toBeLessThan(8);
});

test('whoever wanted to wait is put in line again when the place was lost', async () => {
  await connected();
  call.joinWaitingRoom();
  expect(TestSocket.latest.of('join_waiting_room')).toHaveLength(1);
  await linkComesBack({ resumed: false });
  TestSocket.latest.says(room({ is: 'checking_in' }));
  expect(TestSocket.latest.of('join_waiting_room')).toHaveLength(1);
});

test('a chat line is shown at once, kept through a lost link, sent again with its id, and shown once', async () => {
  await connected();
  TestSocket.latest.says(room({ is: 'live' }));
  TestSocket.latest.breaks();
  call.chat('Can you hear me?');
  expect(call.state.get().chat).toMatchObject([{ text: 'Can you hear me?', at: null }]);
  await vi.advanceTimersByTimeAsync(300);
  TestSocket.latest.welcomes({ resumed: true });
  const [again] = TestSocket.latest.of('chat');
  const id = call.state.get().chat[0]?.id;
  expect(again).toMatchObject({ id, text: 'Can you hear me?' });
  for (let n = 0; n < 2; n++) TestSocket.latest.says({ type: 'chat', id: id ?? '', from: 'me', text: 'Can you hear me?', at: 5 });
  expect(call.state.get().chat).toMatchObject([{ text: 'Can you hear me?', at: 5 }]);
});

test('a chat line that was refused says so and can be sent again', async () => {
  await connected();
  TestSocket.latest.says(room({ is: 'live' }));
  call.chat('One');
  TestSocket.latest.says({ type: 'refused', code: 'too_fast', message: '', about: 'chat' });
  const [entry] = call.state.get().chat;
  expect(entry?.failed).toBe(true);
  call.chatAgain(entry?.id ?? '');
  expect(TestSocket.latest.of('chat')).toHaveLength(2);
});

test('what is shown is told to the server by slot, and only for pictures', async () => {
  await connected();
  TestSocket.latest.says({ type: 'slots', slots: [{ mid: '3', source: 'microphone', participant: 'doctor' }, { mid: '5', source: 'camera', participant: 'doctor' }] });
  expect(call.state.get().remote.map(({ mid }) => mid)).toEqual(['3', '5']);
  call.show('5', 780);
  await vi.advanceTimersByTimeAsync(200);
  expect(TestSocket.latest.of('view').at(-1)).toEqual({ type: 'view', slots: [{ mid: '5', width: 780 }] });
});

test('muted and camera off are said again after every welcome', async () => {
  await connected();
  call.devices.mute(true);
  await linkComesBack();
  expect(TestSocket.latest.of('set_muted')).toEqual([{ type: 'set_muted', audio: true, video: true, interrupted: false }]);
});

test('an ask while the link is down is answered at once and not done later', async () => {
  await connected();
  TestSocket.latest.breaks();
  call.admit('someone');
  expect(call.state.get().refusal).toMatchObject({ code: 'not_stored', about: 'admit' });
  await vi.advanceTimersByTimeAsync(300);
  TestSocket.latest.welcomes({ resumed: true });
  expect(TestSocket.latest.of('admit')).toEqual([]);
});

test('only the layers of the camera that somebody watches are sent, and all again by a new connection', async () => {
  await connected();
  const active = () => TestPeerConnection.latest.transceivers[1]?.sender.encodings.map(({ rid, active }) => `${rid} ${active}`);
  expect(active()).toEqual(['q true', 'h true', 'f true']);
  TestSocket.latest.says({ type: 'layers', rids: ['q'] });
  expect(active()).toEqual(['q true', 'h false', 'f false']);
  TestSocket.latest.says({ type: 'layers', rids: ['q', 'f'] });
  expect(active()).toEqual(['q true', 'h false', 'f true']);
  await linkComesBack({ resumed: false });
  expect(active()).toEqual(['q true', 'h true', 'f true']);
});

test('pictures held back and people speaking are known, and forgotten with the connection', async () => {
  await connected();
  TestSocket.latest.says({ type: 'held_back', mids: ['5'] });
  TestSocket.latest.says({ type: 'speaking', participants: ['host'] });
  expect(call.state.get()).toMatchObject({ heldBack: ['5'], speaking: ['host'] });
  // It is given another way first; that does not help here.
  TestPeerConnection.latest.becomes('failed');
  await vi.advanceTimersByTimeAsync(8_100);
  expect(call.state.get()).toMatchObject({ heldBack: [], speaking: [] });
});

test('voice only asks for no pictures, also on slots that come later, until it is undone', async () => {
  await connected();
  TestSocket.latest.says({ type: 'slots', slots: [{ mid: '5', source: 'camera', participant: 'host' }] });
  call.show('5', 640);
  await vi.advanceTimersByTimeAsync(200);
  await call.voiceOnly(true);
  TestSocket.latest.says({ type: 'slots', slots: [{ mid: '5', source: 'camera', participant: 'host' }, { mid: '6', source: 'camera', participant: 'other' }] });
  await call.voiceOnly(false);
  expect(TestSocket.latest.of('view').map(({ slots }) => slots.map(({ mid, width }) => `${mid} ${width}`).join())).toEqual(['5 640', '5 0', '5 0,6 0', '5 640,6 0']);
});
