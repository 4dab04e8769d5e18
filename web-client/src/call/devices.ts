// Camera, microphone, speaker and screen of this machine: asking for them, saying plainly why one is not there,
// switching, muting. It holds tracks; who sends them is not its business.

import { Store } from '../lib/store';

export type DeviceProblem = 'denied' | 'missing' | 'in_use' | 'unsupported' | 'insecure' | 'failed' | 'unplugged';

export type DeviceState = { is: 'off' } | { is: 'starting' } | { is: 'on' } | { is: 'failed'; problem: DeviceProblem };

export interface DeviceChoice { id: string; label: string }

export interface DevicesState {
  camera: DeviceState;
  microphone: DeviceState;
  /** The microphone is on but sends silence. */
  muted: boolean;
  /** The system took the microphone away for now (a phone call). */
  interrupted: boolean;
  cameraTrack: MediaStreamTrack | null;
  microphoneTrack: MediaStreamTrack | null;
  screenTrack: MediaStreamTrack | null;
  cameras: DeviceChoice[];
  microphones: DeviceChoice[];
  speakers: DeviceChoice[];
  cameraId: string;
  microphoneId: string;
  speakerId: string;
}

/** What was chosen on this device before. */
const KEPT = 'bedside.devices';
type Kept = Partial<Record<'camera' | 'microphone' | 'speaker', string | undefined>>;

const CAMERA: MediaTrackConstraints = { width: { ideal: 1280 }, height: { ideal: 720 }, frameRate: { ideal: 30, max: 30 }, facingMode: 'user' };
const MICROPHONE: MediaTrackConstraints = { echoCancellation: true, noiseSuppression: true, autoGainControl: true, channelCount: 1 };

export class Devices {
  readonly state = new Store<DevicesState>({
    camera: { is: 'off' },
    microphone: { is: 'off' },
    muted: false,
    interrupted: false,
    cameraTrack: null,
    microphoneTrack: null,
    screenTrack: null,
    cameras: [],
    microphones: [],
    speakers: [],
    cameraId: '',
    microphoneId: '',
    speakerId: '',
  });
  #closed = false;
  #kept: Kept = keptDevices();

  /** Asks for both at once, so that the browser asks the person once. If that fails, for each alone: one missing device must not take the other along. */
  async start(): Promise<void> {
    const media = this.#media();
    if (!media) return;
    this.state.patch({ camera: { is: 'starting' }, microphone: { is: 'starting' }, speakerId: this.#kept.speaker ?? '' });
    media.addEventListener('devicechange', this.#changed);
    try {
      const stream = await media.getUserMedia({ audio: this.#wanted('microphone'), video: this.#wanted('camera') });
      this.#take('camera', stream.getVideoTracks()[0]);
      this.#take('microphone', stream.getAudioTracks()[0]);
    } catch {
      await this.#one('microphone');
      await this.#one('camera');
    }
    await this.#list();
  }

  async turnCamera(on: boolean): Promise<void> {
    if (on) await this.#one('camera');
    else this.#release('camera');
  }

  mute(muted: boolean): void {
    const track = this.state.get().microphoneTrack;
    if (track) track.enabled = !muted;
    this.state.patch({ muted });
  }

  async choose(kind: 'camera' | 'microphone', id: string): Promise<void> {
    this.state.patch(kind === 'camera' ? { cameraId: id } : { microphoneId: id });
    this.#remember(kind, id);
    await this.#one(kind);
  }

  chooseSpeaker(id: string): void {
    this.#remember('speaker', id);
    this.state.patch({ speakerId: id });
  }

  async shareScreen(on: boolean): Promise<void> {
    const { screenTrack } = this.state.get();
    if (!on) {
      screenTrack?.stop();
      this.state.patch({ screenTrack: null });
      return;
    }
    try {
      const stream = await navigator.mediaDevices.getDisplayMedia({ video: { frameRate: { max: 15 } }, audio: false });
      const track = stream.getVideoTracks()[0];
      if (!track) return;
      track.contentHint = 'detail';
      track.onended = () => this.state.patch({ screenTrack: null });
      this.state.patch({ screenTrack: track });
    } catch {
      // Closing the browser's own picker is an answer, not a fault.
    }
  }

  close(): void {
    this.#closed = true;
    navigator.mediaDevices?.removeEventListener('devicechange', this.#changed);
    this.#release('camera');
    this.#release('microphone');
    this.state.get().screenTrack?.stop();
    this.state.patch({ screenTrack: null });
  }

  #media(): MediaDevices | null {
    if ('mediaDevices' in navigator && 'RTCPeerConnection' in globalThis) return navigator.mediaDevices;
    const problem: DeviceProblem = globalThis.isSecureContext === false ? 'insecure' : 'unsupported';
    this.state.patch({ camera: { is: 'failed', problem }, microphone: { is: 'failed', problem } });
    return null;
  }

  #wanted(kind: 'camera' | 'microphone'): MediaTrackConstraints {
    const { cameraId, microphoneId } = this.state.get();
    // One that was chosen before and is not there today must not keep another from being used.
    const kept = this.#kept[kind];
    if (kept && !(kind === 'camera' ? cameraId : microphoneId)) {
      return kind === 'camera' ? { ...CAMERA, facingMode: undefined, deviceId: { ideal: kept } } : { ...MICROPHONE, deviceId: { ideal: kept } };
    }
    if (kind === 'camera') return cameraId ? { ...CAMERA, facingMode: undefined, deviceId: { exact: cameraId } } : CAMERA;
    return microphoneId ? { ...MICROPHONE, deviceId: { exact: microphoneId } } : MICROPHONE;
  }

  async #one(kind: 'camera' | 'microphone'): Promise<void> {
    const media = this.#media();
    if (!media || this.#closed) return;
    // Phones open a camera only after the other one is let go.
    this.#release(kind);
    this.state.patch({ [kind]: { is: 'starting' } });
    try {
      const wanted = this.#wanted(kind);
      const stream = await media.getUserMedia(kind === 'camera' ? { video: wanted } : { audio: wanted });
      this.#take(kind, stream.getTracks()[0]);
    } catch (error) {
      this.state.patch({ [kind]: { is: 'failed', problem: problemOf(error) } });
    }
    await this.#list();
  }

  #take(kind: 'camera' | 'microphone', track: MediaStreamTrack | undefined): void {
    if (!track) {
      this.state.patch({ [kind]: { is: 'failed', problem: 'missing' } });
      return;
    }
    if (this.#closed) {
      track.stop();
      return;
    }
    const id = track.getSettings().deviceId ?? '';
    track.onended = () => {
      this.#release(kind);
      this.state.patch({ [kind]: { is: 'failed', problem: 'unplugged' } });
    };
    if (kind === 'camera') {
      track.contentHint = 'motion';
      this.state.patch({ camera: { is: 'on' }, cameraTrack: track, cameraId: id });
      return;
    }
    track.contentHint = 'speech';
    track.enabled = !this.state.get().muted;
    track.onmute = () => this.state.patch({ interrupted: true });
    track.onunmute = () => this.state.patch({ interrupted: false });
    this.state.patch({ microphone: { is: 'on' }, microphoneTrack: track, microphoneId: id, interrupted: false });
  }

  #release(kind: 'camera' | 'microphone'): void {
    const track = kind === 'camera' ? this.state.get().cameraTrack : this.state.get().microphoneTrack;
    if (track) {
      track.onended = track.onmute = track.onunmute = null;
      track.stop();
    }
    this.state.patch(kind === 'camera' ? { camera: { is: 'off' }, cameraTrack: null } : { microphone: { is: 'off' }, microphoneTrack: null, interrupted: false });
  }

  #remember(kind: keyof Kept, id: string): void {
    this.#kept = { ...this.#kept, [kind]: id || undefined };
    try {
      localStorage.setItem(KEPT, JSON.stringify(this.#kept));
    } catch {
      // Storage may be refused; the choice then lasts as long as the page.
    }
  }

  #changed = (): void => void this.#list();

  async #list(): Promise<void> {
    const all = await navigator.mediaDevices.enumerateDevices().catch(() => []);
    const of = (kind: MediaDeviceKind) => all.filter((device) => device.kind === kind && device.deviceId !== '').map(({ deviceId, label }) => ({ id: deviceId, label }));
    this.state.patch({ cameras: of('videoinput'), microphones: of('audioinput'), speakers: of('audiooutput') });
    // A speaker that was chosen before and is not there today would play to nobody.
    const { speakers, speakerId } = this.state.get();
    if (speakerId && speakers.length && !speakers.some(({ id }) => id === speakerId)) this.state.patch({ speakerId: '' });
  }
}

function keptDevices(): Kept {
  try {
    const kept: unknown = JSON.parse(localStorage.getItem(KEPT) ?? '{}');
    return typeof kept === 'object' && kept !== null ? (kept as Kept) : {};
  } catch {
    return {};
  }
}

/** Why getUserMedia failed, by the error's name (Media Capture and Streams, 10.2). */
export function problemOf(error: unknown): DeviceProblem {
  switch (error instanceof Error || error instanceof DOMException ? error.name : '') {
    case 'NotAllowedError':
    case 'SecurityError':
      return 'denied';
    case 'NotFoundError':
    case 'OverconstrainedError':
      return 'missing';
    case 'NotReadableError':
    case 'AbortError':
      return 'in_use';
    case 'TypeError':
      return 'unsupported';
    default:
      return 'failed';
  }
}
