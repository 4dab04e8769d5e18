// One RTCPeerConnection: the offer in the order that the server expects (microphone, camera, screen, then slots to
// receive on), its answer, and which track arrives on which mid. One whose network went away can be given another way; a
// broken one is replaced.

import { Store } from '../lib/store';

/** A room has eight seats: everyone is heard and seen by everyone, and one screen beside. */
const AUDIO_SLOTS = 7;
const VIDEO_SLOTS = 8;

/** Simulcast layers of the camera, smallest first: a quarter, half and full size. */
export const CAMERA_LAYERS: RTCRtpEncodingParameters[] = [
  { rid: 'q', scaleResolutionDownBy: 4, maxBitrate: 150_000 },
  { rid: 'h', scaleResolutionDownBy: 2, maxBitrate: 500_000 },
  { rid: 'f', scaleResolutionDownBy: 1, maxBitrate: 1_500_000 },
];
const SCREEN_LAYER: RTCRtpEncodingParameters = { maxBitrate: 2_500_000 };

export type Sending = 'microphone' | 'camera' | 'screen';
export type PeerState = 'connecting' | 'connected' | 'wavering' | 'lost' | 'closed';

export class Peer {
  readonly state = new Store<PeerState>('connecting');
  readonly #pc: RTCPeerConnection;
  readonly #senders: Record<Sending, RTCRtpSender>;

  constructor(tracks: Partial<Record<Sending, MediaStreamTrack | null>>, iceServers: RTCIceServer[] = []) {
    const pc = new RTCPeerConnection({ bundlePolicy: 'max-bundle', rtcpMuxPolicy: 'require', iceServers });
    this.#pc = pc;
    const microphone = pc.addTransceiver('audio', { direction: 'sendonly' });
    const camera = pc.addTransceiver('video', { direction: 'sendonly', sendEncodings: CAMERA_LAYERS.map((layer) => ({ ...layer })) });
    const screen = pc.addTransceiver('video', { direction: 'sendonly', sendEncodings: [{ ...SCREEN_LAYER }] });
    for (let n = 0; n < AUDIO_SLOTS; n++) pc.addTransceiver('audio', { direction: 'recvonly' });
    const slots = Array.from({ length: VIDEO_SLOTS }, () => pc.addTransceiver('video', { direction: 'recvonly' }));
    prefer([camera, screen], RTCRtpSender.getCapabilities('video'));
    prefer(slots, RTCRtpReceiver.getCapabilities('video'));
    this.#senders = { microphone: microphone.sender, camera: camera.sender, screen: screen.sender };
    for (const kind of ['microphone', 'camera', 'screen'] as const) this.send(kind, tracks[kind] ?? null);
    pc.onconnectionstatechange = () => this.#watch();
    pc.oniceconnectionstatechange = () => this.#watch();
  }

  /** The SDP text to send. The server is ICE-lite with candidates in its answer, so ours need not be gathered first. */
  async offer(): Promise<string> {
    const offer = await this.#pc.createOffer();
    await this.#pc.setLocalDescription(offer);
    return this.#pc.localDescription?.sdp ?? '';
  }

  /** An offer over whatever network there is now: new candidates, the same keys. Media goes on as soon as one of them works. */
  restart(iceServers: RTCIceServer[]): Promise<string> {
    this.#pc.setConfiguration({ ...this.#pc.getConfiguration(), iceServers });
    this.#pc.restartIce();
    return this.offer();
  }

  async answered(sdp: string): Promise<void> {
    if (this.#pc.signalingState === 'have-local-offer') await this.#pc.setRemoteDescription({ type: 'answer', sdp });
  }

  send(kind: Sending, track: MediaStreamTrack | null): void {
    // It fails only on a closed connection or a track of the wrong kind: the first is over, the second can't happen here.
    void this.#senders[kind].replaceTrack(track).catch(() => undefined);
  }

  /** Sends only these layers of the camera: the server says which anyone watches. */
  layers(rids: readonly string[]): void {
    const sender = this.#senders.camera;
    const parameters = sender.getParameters();
    if (!parameters.encodings.some((encoding) => encoding.active !== rids.includes(encoding.rid ?? ''))) return;
    for (const encoding of parameters.encodings) encoding.active = rids.includes(encoding.rid ?? '');
    // It fails on a closed connection only; a browser that does not know layers sends its one picture as before.
    void sender.setParameters(parameters).catch(() => undefined);
  }

  /** The track that arrives on a slot. It exists from the offer on; media flows when the server maps someone onto it. */
  track(mid: string): MediaStreamTrack | null {
    return this.#pc.getTransceivers().find((transceiver) => transceiver.mid === mid)?.receiver.track ?? null;
  }

  stats(): Promise<RTCStatsReport> {
    return this.#pc.getStats();
  }

  close(): void {
    this.#pc.onconnectionstatechange = this.#pc.oniceconnectionstatechange = null;
    this.#pc.close();
    this.state.set('closed');
  }

  #watch(): void {
    const { connectionState, iceConnectionState } = this.#pc;
    // ICE that has failed can be started again on another network; nothing else that fails can be mended.
    const away = iceConnectionState === 'disconnected' || iceConnectionState === 'failed';
    if (connectionState === 'closed' || (connectionState === 'failed' && !away)) this.state.set('lost');
    else if (away || connectionState === 'disconnected') this.state.set('wavering');
    else if (connectionState === 'connected') this.state.set('connected');
  }
}

/** VP8 (and its repair) only: what every browser sends in layers and the server forwards. */
function prefer(transceivers: RTCRtpTransceiver[], capabilities: RTCRtpCapabilities | null): void {
  const codecs = capabilities?.codecs.filter((codec) => /\/(vp8|rtx)$/i.test(codec.mimeType));
  if (!codecs?.some((codec) => /vp8$/i.test(codec.mimeType))) return;
  for (const transceiver of transceivers) transceiver.setCodecPreferences(codecs);
}
