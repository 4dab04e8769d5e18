// Doubles of the browser's own parts for tests of the call: a socket that a test speaks through, a peer connection that it connects.

import type { ClientMessage, ServerMessage } from './wire';

export class TestSocket {
  static all: TestSocket[] = [];
  /** As a server does: without it the link takes the connection for lost after ten seconds. */
  static answersPings = false;
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
    const message = JSON.parse(text) as ClientMessage;
    this.sent.push(message);
    if (message.type === 'ping' && TestSocket.answersPings) queueMicrotask(() => this.says({ type: 'pong', n: message.n }));
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
  welcomes({ resumed = false, relays = [] as string[] } = {}): void {
    this.opens();
    const ice_servers = relays.map((url) => ({ urls: [url], username: '1:me', credential: 'secret' }));
    this.says({ type: 'welcome', participant: 'me', visit: 'visit', seat_held_ms: 30_000, resumed, ice_servers });
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

  configuration: RTCConfiguration;
  restarts = 0;

  constructor(configuration: RTCConfiguration = {}) {
    this.configuration = configuration;
    TestPeerConnection.all.push(this);
  }

  getConfiguration() {
    return this.configuration;
  }

  setConfiguration(configuration: RTCConfiguration): void {
    this.configuration = configuration;
  }

  restartIce(): void {
    this.restarts++;
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
