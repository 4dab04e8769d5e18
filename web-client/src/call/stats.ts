// What this browser received since the last reading: differences of getStats counters, as the server wants them.

import type { ClientQuality } from './wire';

interface Counters {
  at: number;
  freezes: number;
  freezeSeconds: number;
  concealed: number;
  samples: number;
  frames: number;
  lost: number;
  packets: number;
  bytes: number;
}

/** The few fields of the reports that are read; absent ones count as 0 (Firefox and Safari lack some). */
export interface StatsEntry {
  type: string;
  id?: string;
  kind?: string;
  mid?: string;
  freezeCount?: number;
  totalFreezesDuration?: number;
  concealedSamples?: number;
  totalSamplesReceived?: number;
  framesDecoded?: number;
  packetsLost?: number;
  packetsReceived?: number;
  bytesReceived?: number;
  jitter?: number;
  currentRoundTripTime?: number;
  selectedCandidatePairId?: string;
  responsesReceived?: number;
  nominated?: boolean;
  state?: string;
}

export type Report = Iterable<StatsEntry>;

export class QualityReading {
  #last: Counters | null = null;

  /** The difference to the reading before; null at the first, and after counters began anew (a new peer connection). */
  read(report: Report, at: number): ClientQuality | null {
    const entries = [...report];
    const inbound = entries.filter((entry) => entry.type === 'inbound-rtp');
    const sum = (field: keyof StatsEntry) => inbound.reduce((total, entry) => total + Number(entry[field] ?? 0), 0);
    const now: Counters = {
      at,
      freezes: sum('freezeCount'),
      freezeSeconds: sum('totalFreezesDuration'),
      concealed: sum('concealedSamples'),
      samples: sum('totalSamplesReceived'),
      frames: sum('framesDecoded'),
      lost: sum('packetsLost'),
      packets: sum('packetsReceived'),
      bytes: sum('bytesReceived'),
    };
    const then = this.#last;
    this.#last = now;
    if (!then || at <= then.at || now.packets < then.packets || now.samples < then.samples) return null;
    const jitters = inbound.filter((entry) => entry.kind === 'audio' && Number(entry.packetsReceived ?? 0) > 0).map((entry) => Number(entry.jitter ?? 0));
    const roundTrip = selectedPair(entries)?.currentRoundTripTime;
    return {
      interval_ms: Math.round(at - then.at),
      freezes: gained(now.freezes, then.freezes),
      freeze_ms: Math.round(1000 * Math.max(0, now.freezeSeconds - then.freezeSeconds)),
      concealed_samples: gained(now.concealed, then.concealed),
      total_samples: gained(now.samples, then.samples),
      frames_decoded: gained(now.frames, then.frames),
      packets_lost: now.lost - then.lost,
      packets_received: gained(now.packets, then.packets),
      bytes_received: gained(now.bytes, then.bytes),
      jitter_ms: jitters.length ? (1000 * jitters.reduce((a, b) => a + b, 0)) / jitters.length : 0,
      round_trip_ms: roundTrip === undefined ? null : 1000 * roundTrip,
    };
  }

  /** Forgets the counters: the next reading starts anew. */
  restart(): void {
    this.#last = null;
  }
}

/** Grows whenever anything at all came from the server: the proof that the transport is alive. */
export function signsOfLife(report: Report): number {
  let signs = 0;
  for (const entry of report) {
    if (entry.type === 'transport') signs += Number(entry.bytesReceived ?? 0);
    if (entry.type === 'candidate-pair') signs += Number(entry.responsesReceived ?? 0) + Number(entry.bytesReceived ?? 0);
  }
  return signs;
}

/** Frames decoded per slot, to show a picture only where one moves. */
export function framesByMid(report: Report): Map<string, number> {
  const frames = new Map<string, number>();
  for (const entry of report) {
    if (entry.type === 'inbound-rtp' && entry.kind === 'video' && entry.mid !== undefined) {
      frames.set(entry.mid, (frames.get(entry.mid) ?? 0) + Number(entry.framesDecoded ?? 0));
    }
  }
  return frames;
}

function selectedPair(entries: StatsEntry[]): StatsEntry | undefined {
  const selected = entries.find((entry) => entry.type === 'transport')?.selectedCandidatePairId;
  const pairs = entries.filter((entry) => entry.type === 'candidate-pair');
  return pairs.find((pair) => pair.id === selected) ?? pairs.find((pair) => pair.nominated && pair.state === 'succeeded');
}

function gained(now: number, then: number): number {
  return Math.max(0, Math.round(now - then));
}
