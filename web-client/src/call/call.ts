// One person's part in one visit, as a view model: what the page shows and what it may ask for. It joins the link (websocket),
// the peer connection and the devices, and brings all three back when one is lost. No React here; the page subscribes.

import { Store } from '../lib/store';
import { backoffMs } from './backoff';
import { Devices } from './devices';
import { NetworkReading, NOT_MEASURED, type NetworkFound } from './network';
import { Link, type LinkEnd, type TicketAnswer } from './link';
import { Peer } from './peer';
import { framesByMid, QualityReading, signsOfLife, type Report, type StatsEntry } from './stats';
import type { ChatLine, ClientMessage, ParticipantView, RefusalCode, RoomView, ServerMessage, Slot, SlotDemand } from './wire';

const QUALITY_EVERY_MS = 5_000;
const LOOK_EVERY_MS = 1_000;
/** From offer to connected, at the longest: for a new connection, and for one that is given another way. */
const CONNECT_WITHIN_MS = 8_000;
/** After the websocket came back: without a sign of life from the media for so long, media is dead too. */
const LIFE_WITHIN_MS = 3_000;
const VIEW_AFTER_MS = 150;

export interface RemoteMedia extends Slot {
  track: MediaStreamTrack;
  /** A video picture arrived within the last seconds. */
  moving: boolean;
}

export interface ChatEntry extends Omit<ChatLine, 'at'> {
  /** Null until the server has stored it. */
  at: number | null;
  failed: boolean;
}

export type Connection = 'connecting' | 'open' | 'reconnecting' | 'ended';

export interface Refusal { code: RefusalCode; about: string; message: string; n: number }

export interface CallState {
  connection: Connection;
  ended: LinkEnd | null;
  media: 'none' | 'connecting' | 'connected' | 'lost';
  room: RoomView | null;
  remote: RemoteMedia[];
  chat: ChatEntry[];
  refusal: Refusal | null;
  /** Slots whose pictures the server holds back because the network does not carry them. */
  heldBack: readonly string[];
  /** Who speaks, whoever holds the floor first. */
  speaking: readonly string[];
  /** No pictures by choice, neither sent nor shown. */
  voiceOnly: boolean;
}

export interface CallOptions {
  url: string;
  ticket: () => Promise<TicketAnswer>;
  devices?: Devices;
}

export class Call {
  readonly state = new Store<CallState>({
    connection: 'connecting', ended: null, media: 'none', room: null, remote: [], chat: [], refusal: null,
    heldBack: [], speaking: [], voiceOnly: false,
  });
  readonly devices: Devices;
  /** The connection in numbers, for as long as nobody was let in. */
  readonly network = new Store<NetworkFound>(NOT_MEASURED);
  readonly #link: Link;
  #peer: Peer | null = null;
  /** The server's relays, with credentials as fresh as the link. */
  #iceServers: RTCIceServer[] = [];
  #slots: Slot[] = [];
  #frames = new Map<string, { count: number; at: number }>();
  readonly #demands = new Map<string, number>();
  readonly #quality = new QualityReading();
  readonly #network = new NetworkReading();
  #lastQuality = 0;
  #life = { signs: -1, at: 0, suspect: false };
  #refusals = 0;
  #peerFailures = 0;
  #looker: ReturnType<typeof setInterval> | undefined;
  #waver: ReturnType<typeof setTimeout> | undefined;
  #connecting: ReturnType<typeof setTimeout> | undefined;
  #view: ReturnType<typeof setTimeout> | undefined;
  #wantsLine = false;
  /** The camera was on when the person chose voice only: it comes back with the pictures. */
  #cameraComesBack = false;
  readonly #undo: (() => void)[] = [];

  constructor(options: CallOptions) {
    this.devices = options.devices ?? new Devices();
    this.#link = new Link({ url: options.url, ticket: options.ticket, onMessage: (message) => this.#heard(message) });
  }

  start(): void {
    this.#undo.push(this.#link.state.subscribe(() => this.#linkChanged()), this.devices.state.subscribe(this.#devicesChanged()));
    this.#looker = setInterval(() => void this.#look(), LOOK_EVERY_MS);
    this.#link.start();
  }

  /** Lets go of everything on this machine. The seat is held; `leave` gives it up. */
  close(): void {
    this.#undo.splice(0).forEach((undo) => undo());
    clearInterval(this.#looker);
    clearTimeout(this.#view);
    this.#dropPeer();
    this.#link.stop();
    this.devices.close();
  }

  me(): ParticipantView | null {
    const { room } = this.state.get();
    return room?.participants.find((one) => one.participant === room.you) ?? null;
  }

  /** Remembered: whoever lost the place in line (a long break, a restarted server) is put in line again. */
  joinWaitingRoom(): void {
    this.#wantsLine = true;
    this.#say({ type: 'join_waiting_room' });
  }

  admit(participant: string): void { this.#say({ type: 'admit', participant }); }
  returnToWaiting(participant: string): void { this.#say({ type: 'return_to_waiting', participant }); }
  startRecording(): void { this.#say({ type: 'start_recording' }); }
  stopRecording(): void { this.#say({ type: 'stop_recording' }); }
  endVisit(): void { this.#say({ type: 'end_visit' }); }

  answerRecording(recording: string, allow: boolean, textVersion: string): void {
    this.#say({ type: 'answer_recording', recording, allow, text_version: textVersion });
  }

  leave(): void {
    if (!this.#link.send({ type: 'leave' })) this.#link.stop('left');
    else setTimeout(() => this.#link.stop('left'), 1_500);
  }

  chat(text: string): void {
    const { room, chat } = this.state.get();
    if (!room || !text.trim()) return;
    const entry: ChatEntry = { id: crypto.randomUUID(), from: room.you, text: text.trim(), at: null, failed: false };
    this.state.patch({ chat: [...chat, entry] });
    this.#link.send({ type: 'chat', id: entry.id, text: entry.text });
  }

  chatAgain(id: string): void {
    const entry = this.state.get().chat.find((one) => one.id === id);
    if (!entry) return;
    this.#patchChat(id, { failed: false });
    this.#link.send({ type: 'chat', id, text: entry.text });
  }

  /** How wide a slot is shown, in device pixels; 0 hides it. */
  show(mid: string, width: number): void {
    if (this.#demands.get(mid) === width) return;
    this.#demands.set(mid, width);
    clearTimeout(this.#view);
    this.#view = setTimeout(() => this.#sendView(), VIEW_AFTER_MS);
  }

  /** Leaves out all pictures, to save data or a weak network, or brings them back. */
  async voiceOnly(on: boolean): Promise<void> {
    if (on === this.state.get().voiceOnly) return;
    this.state.patch({ voiceOnly: on });
    this.#sendView();
    if (on) this.#cameraComesBack = this.devices.state.get().cameraTrack !== null;
    if (this.#cameraComesBack) await this.devices.turnCamera(!on);
  }

  /** For asks that only make sense now: when the link is down the person is told instead of surprised later. */
  #say(message: ClientMessage): void {
    if (!this.#link.send(message)) this.#refuse('not_stored', message.type, '');
  }

  #refuse(code: RefusalCode, about: string, message: string): void {
    this.state.patch({ refusal: { code, about, message, n: ++this.#refusals } });
  }

  #linkChanged(): void {
    const link = this.#link.state.get();
    if (link.is === 'ended') {
      this.state.patch({ connection: 'ended', ended: link.why, remote: [] });
      this.#dropPeer();
      this.devices.close();
      return;
    }
    this.state.patch({ connection: link.is === 'open' ? 'open' : link.is === 'reconnecting' ? 'reconnecting' : 'connecting' });
  }

  #heard(message: ServerMessage): void {
    switch (message.type) {
      case 'welcome':
        this.#iceServers = message.ice_servers ?? [];
        return this.#welcome(message.resumed);
      case 'room': return this.#room(message);
      case 'answer': return this.#answered(message.sdp);
      case 'slots': return this.#slotsChanged(message.slots);
      case 'layers': return this.#peer?.layers(message.rids);
      case 'held_back': return this.state.patch({ heldBack: message.mids });
      case 'speaking': return this.state.patch({ speaking: message.participants });
      case 'chat': return this.#chatLine(message);
      case 'refused': return this.#refused(message);
      default:
    }
  }

  #welcome(resumed: boolean): void {
    this.#sayMuted();
    for (const entry of this.state.get().chat) {
      if (entry.at === null && !entry.failed) this.#link.send({ type: 'chat', id: entry.id, text: entry.text });
    }
    const media = resumed ? this.#peer?.state.get() : undefined;
    if (this.#peer && media === 'wavering') this.#mend(this.#peer);
    else if (media !== 'connected') void this.#newPeer();
    else {
      this.#life = { signs: -1, at: performance.now(), suspect: true };
      this.#sendView();
    }
  }

  #room(room: RoomView): void {
    this.state.patch({ room });
    const me = this.me();
    if (me?.phase.is === 'checking_in' && this.#wantsLine) this.#link.send({ type: 'join_waiting_room' });
  }

  #refused(message: Extract<ServerMessage, { type: 'refused' }>): void {
    if (message.about === 'chat') {
      for (const entry of this.state.get().chat) if (entry.at === null) this.#patchChat(entry.id, { failed: true });
    }
    // The person did nothing wrong and can do nothing: these mend themselves.
    if (message.about === 'join_waiting_room' || message.about === 'view' || message.about === 'quality' || message.about === 'set_muted') return;
    if (message.about === 'offer') this.#peerLost();
    else this.#refuse(message.code, message.about, message.message);
  }

  // --- chat

  #chatLine({ id, from, text, at }: ChatLine): void {
    const { chat } = this.state.get();
    const others = chat.filter((entry) => entry.id !== id);
    const stored = [...others.filter((entry) => entry.at !== null), { id, from, text, at, failed: false }];
    stored.sort((a, b) => (a.at ?? 0) - (b.at ?? 0));
    this.state.patch({ chat: [...stored, ...others.filter((entry) => entry.at === null)] });
  }

  #patchChat(id: string, fields: Partial<ChatEntry>): void {
    this.state.patch({ chat: this.state.get().chat.map((entry) => (entry.id === id ? { ...entry, ...fields } : entry)) });
  }

  // --- media

  async #newPeer(): Promise<void> {
    this.#dropPeer();
    const { microphoneTrack, cameraTrack, screenTrack } = this.devices.state.get();
    const peer = new Peer({ microphone: microphoneTrack, camera: cameraTrack, screen: screenTrack }, this.#iceServers);
    this.#peer = peer;
    this.state.patch({ media: 'connecting' });
    peer.state.subscribe(() => this.#peerChanged(peer));
    const sdp = await peer.offer();
    if (peer !== this.#peer) return;
    this.#connecting = setTimeout(() => this.#peerLost(), CONNECT_WITHIN_MS);
    // Not sent: the link is down, and its next welcome makes a new peer.
    this.#link.send({ type: 'offer', sdp });
    this.#publishRemote();
  }

  #dropPeer(): void {
    clearTimeout(this.#connecting);
    clearTimeout(this.#waver);
    this.#peer?.close();
    this.#peer = null;
    this.#quality.restart();
    this.#network.restart();
    this.#frames.clear();
    this.state.patch({ heldBack: [], speaking: [] });
    this.#life = { signs: -1, at: 0, suspect: false };
  }

  #answered(sdp: string): void {
    const peer = this.#peer;
    peer?.answered(sdp).then(() => this.#publishRemote(), () => {
      if (peer === this.#peer) this.#peerLost();
    });
  }

  #peerChanged(peer: Peer): void {
    if (peer !== this.#peer) return;
    clearTimeout(this.#waver);
    switch (peer.state.get()) {
      case 'connected':
        clearTimeout(this.#connecting);
        this.#peerFailures = 0;
        this.state.patch({ media: 'connected' });
        this.#sendView();
        break;
      case 'wavering':
        this.state.patch({ media: 'lost' });
        this.#mend(peer);
        break;
      case 'lost':
        this.#peerLost();
        break;
      default:
    }
  }

  /** The network went away: another way for the same connection. Without a link there is nobody to ask; the next welcome does it. */
  #mend(peer: Peer): void {
    clearTimeout(this.#waver);
    if (this.#link.state.get().is !== 'open') return;
    this.#waver = setTimeout(() => this.#peerLost(), CONNECT_WITHIN_MS);
    peer.restart(this.#iceServers).then(
      (sdp) => {
        if (peer === this.#peer) this.#link.send({ type: 'offer', sdp });
      },
      () => {
        if (peer === this.#peer) this.#peerLost();
      },
    );
  }

  /** Without a link there is nobody to offer to: the next welcome does it. */
  #peerLost(): void {
    this.state.patch({ media: 'lost' });
    this.#dropPeer();
    if (this.#link.state.get().is !== 'open') return;
    this.#connecting = setTimeout(() => {
      if (this.#link.state.get().is === 'open') void this.#newPeer();
    }, this.#peerFailures === 0 ? 0 : backoffMs(this.#peerFailures));
    this.#peerFailures++;
  }

  #slotsChanged(slots: Slot[]): void {
    this.#slots = slots;
    // A slot that was free is shown wide until it is said otherwise.
    if (this.state.get().voiceOnly) this.#sendView();
    this.#publishRemote();
  }

  #publishRemote(): void {
    const now = performance.now();
    const remote = this.#slots.flatMap((slot): RemoteMedia[] => {
      const track = this.#peer?.track(slot.mid);
      const seen = this.#frames.get(slot.mid);
      return track ? [{ ...slot, track, moving: seen !== undefined && seen.count > 0 && now - seen.at < 3 * LOOK_EVERY_MS }] : [];
    });
    const before = this.state.get().remote;
    const same = before.length === remote.length && remote.every((one, n) => {
      const was = before[n];
      return was?.mid === one.mid && was.track === one.track && was.moving === one.moving && was.participant === one.participant && was.source === one.source;
    });
    if (!same) this.state.patch({ remote });
  }

  #sendView(): void {
    const { voiceOnly } = this.state.get();
    const slots: SlotDemand[] = this.#slots
      .filter((slot) => slot.source !== 'microphone')
      .map(({ mid }) => ({ mid, width: voiceOnly ? 0 : this.#demands.get(mid) ?? 0 }));
    if (slots.length) this.#link.send({ type: 'view', slots });
  }

  // --- measuring

  async #look(): Promise<void> {
    const peer = this.#peer;
    if (!peer) return;
    const stats = await peer.stats().catch(() => null);
    if (!stats || peer !== this.#peer) return;
    const report: Report = [...stats.values()] as StatsEntry[];
    const now = performance.now();
    for (const [mid, count] of framesByMid(report)) {
      const was = this.#frames.get(mid);
      if (was?.count !== count) this.#frames.set(mid, { count, at: now });
    }
    this.#publishRemote();
    if (peer.state.get() === 'connected') this.network.set(this.#network.read(report, now, this.devices.state.get().cameraTrack !== null));
    this.#checkLife(peer, signsOfLife(report), now);
    if (now - this.#lastQuality >= QUALITY_EVERY_MS - LOOK_EVERY_MS / 2) {
      this.#lastQuality = now;
      const quality = this.#quality.read(report, now);
      if (quality) this.#link.send({ type: 'quality', ...quality });
    }
  }

  #checkLife(peer: Peer, signs: number, now: number): void {
    if (!this.#life.suspect) return;
    if (this.#life.signs < 0) this.#life.signs = signs;
    else if (signs > this.#life.signs) this.#life.suspect = false;
    else if (now - this.#life.at > LIFE_WITHIN_MS) {
      this.#life.suspect = false;
      this.#mend(peer);
    }
  }

  // --- devices

  #devicesChanged(): () => void {
    let was = this.devices.state.get();
    return () => {
      const now = this.devices.state.get();
      if (now.microphoneTrack !== was.microphoneTrack) this.#peer?.send('microphone', now.microphoneTrack);
      if (now.cameraTrack !== was.cameraTrack) this.#peer?.send('camera', now.cameraTrack);
      if (now.screenTrack !== was.screenTrack) this.#peer?.send('screen', now.screenTrack);
      const said = now.muted !== was.muted || now.interrupted !== was.interrupted
        || (now.cameraTrack === null) !== (was.cameraTrack === null) || (now.microphoneTrack === null) !== (was.microphoneTrack === null);
      was = now;
      if (said) this.#sayMuted();
    };
  }

  #sayMuted(): void {
    const { muted, interrupted, cameraTrack, microphoneTrack } = this.devices.state.get();
    this.#link.send({ type: 'set_muted', audio: muted || microphoneTrack === null, video: cameraTrack === null, interrupted });
  }
}
