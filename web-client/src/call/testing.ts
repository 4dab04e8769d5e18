// Doubles of the browser's own parts for tests of the call: a socket that a test speaks through, a peer connection that it connects.

import type { ClientMessage, ServerMessage } from './wire';

export class TestSocket {
  static all: TestSocket[] = [];
  static get latest(): TestSocket {
    const socket = TestSocket.all.at(-1);
    if (!socket) throw new Error('no socket was opened');
    return socket;
  }

  readyState = 0;
  sent: ClientMessage[] = [];
  onopen: (() => void) | null = null;
  onmessage: ((event: { data: string }) => void) | null = null;
  onclose: (() => void) | null = null;
  onerror: (() => void) | null = null;

  readonly url: string;
  readonly subprotocol: string;

  constructor(url: string, subprotocol: string) {
    this.url = url;
    this.subprotocol = subprotocol;
    TestSocket.all.push(this);
  }

  send(text: string): void {
    this.sent.push(JSON.parse(text) as ClientMessage);
  }

  close(): void {
    this.readyState = 3;
  }

  opens(): void {
    this.readyState = 1;
    this.onopen?.();
  }

  says(message: ServerMessage): void {
    this.onmessage?.({ data: JSON.stringify(message) });
  }

  breaks(): void {
    this.readyState = 3;
    this.onclose?.();
  }

  /** Opens and is welcomed. */
  welcomes({ resumed = false } = {}): void {
    this.opens();
    this.says({ type: 'welcome', participant: 'me', visit: 'visit', seat_held_ms: 30_000, resumed });
  }

  of<T extends ClientMessage['type']>(type: T): Extract<ClientMessage, { type: T }>[] {
    return this.sent.filter((message): message is Extract<ClientMessage, { type: T }> => message.type === type);
  }
}

export interface TestEncoding { rid?: string; active?: boolean }

interface TestSender {
  track: unknown;
  encodings: TestEncoding[];
  replaceTrack: (track: unknown) => Promise<void>;
  getParameters: () => { encodings: TestEncoding[] };
  setParameters: (parameters: { encodings: TestEncoding[] }) => Promise<void>;
}

export class TestPeerConnection {
  static all: TestPeerConnection[] = [];
  static get latest(): TestPeerConnection {
    const peer = TestPeerConnection.all.at(-1);
    if (!peer) throw new Error('no peer connection was made');
    return peer;
  }

  connectionState = 'new';
  iceConnectionState = 'new';
  signalingState = 'stable';
  localDescription: { sdp: string } | null = null;
  stats: Record<string, unknown>[] = [];
  onconnectionstatechange: (() => void) | null = null;
  oniceconnectionstatechange: (() => void) | null = null;
  readonly transceivers: { kind: string; direction: string; mid: string | null; sender: TestSender; receiver: { track: { id: string } }; setCodecPreferences: () => void }[] = [];

  constructor() {
    TestPeerConnection.all.push(this);
  }

  addTransceiver(kind: string, { direction, sendEncodings = [] }: { direction: string; sendEncodings?: TestEncoding[] }) {
    const sender: TestSender = {
      track: null, encodings: sendEncodings.map((encoding) => ({ active: true, ...encoding })),
      replaceTrack: (track) => {
        sender.track = track;
        return Promise.resolve();
      },
      getParameters: () => ({ encodings: sender.encodings.map((encoding) => ({ ...encoding })) }),
      setParameters: ({ encodings }) => {
        sender.encodings = encodings;
        return Promise.resolve();
      },
    };
    const transceiver = { kind, direction, mid: null, sender, receiver: { track: { id: `track-${this.transceivers.length}` } }, setCodecPreferences: () => undefined };
    this.transceivers.push(transceiver);
    return transceiver;
  }

  getTransceivers() {
    return this.transceivers;
  }

  createOffer() {
    return Promise.resolve({ type: 'offer', sdp: `offer ${TestPeerConnection.all.length}` });
  }

  setLocalDescription(description: { sdp: string }) {
    this.localDescription = description;
    this.signalingState = 'have-local-offer';
    this.transceivers.forEach((transceiver, n) => {
      transceiver.mid = String(n);
    });
    return Promise.resolve();
  }

  setRemoteDescription() {
    this.signalingState = 'stable';
    return Promise.resolve();
  }

  getStats() {
    return Promise.resolve(new Map(this.stats.map((entry, n) => [String(n), entry])));
  }

  close(): void {
    this.connectionState = 'closed';
  }

  becomes(state: 'connected' | 'disconnected' | 'failed'): void {
    this.connectionState = this.iceConnectionState = state;
    this.onconnectionstatechange?.();
  }
}
