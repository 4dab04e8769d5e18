// The connection to the clinic in numbers, measured before the visit on the very peer connection that the visit uses: what is
// sent to the media server, what it says it got, and how long an answer takes. Nothing comes from there before one is let in,
// so the way down is not measured, and nobody claims it was.

import type { Report, StatsEntry } from './stats';

export type NetworkGrade = 'good' | 'weak' | 'bad' | 'unknown';

export interface NetworkFound {
  grade: NetworkGrade;
  /** Milliseconds. */
  roundTripMs: number | null;
  /** 0 to 1, of what was sent. */
  loss: number | null;
  /** Kilobits a second: what was sent, or what the browser finds would fit if that is more. */
  upKbps: number | null;
}

export const NOT_MEASURED: NetworkFound = { grade: 'unknown', roundTripMs: null, loss: null, upKbps: null };

/** Readings, one a second, before anything is said. */
const READINGS = 3;
const BAD = { roundTripMs: 600, loss: 0.1, upKbps: 64 };
const WEAK = { roundTripMs: 300, loss: 0.03, upKbps: 250 };

interface Entry extends StatsEntry { bytesSent?: number; packetsSent?: number; availableOutgoingBitrate?: number; fractionLost?: number; roundTripTime?: number }

export class NetworkReading {
  #last: { at: number; bytes: number } | null = null;
  #readings = 0;
  #up = 0;
  #losses: number[] = [];

  read(report: Report, at: number, sendsVideo: boolean): NetworkFound {
    const entries = [...report] as Entry[];
    const sent = entries.filter((entry) => entry.type === 'outbound-rtp');
    const heard = entries.filter((entry) => entry.type === 'remote-inbound-rtp');
    const bytes = sent.reduce((sum, entry) => sum + Number(entry.bytesSent ?? 0), 0);
    const then = this.#last;
    this.#last = { at, bytes };
    if (!then || bytes < then.bytes || at <= then.at) {
      this.restart();
      this.#last = { at, bytes };
      return NOT_MEASURED;
    }
    this.#readings += 1;
    const transport = entries.find((entry) => entry.type === 'transport');
    const pairs = entries.filter((entry) => entry.type === 'candidate-pair');
    const pair = pairs.find((one) => one.id === transport?.selectedCandidatePairId) ?? pairs.find((one) => one.nominated && one.state === 'succeeded');
    const fits = (pair?.availableOutgoingBitrate ?? 0) / 1000;
    this.#up = Math.max(this.#up, ((bytes - then.bytes) * 8) / (at - then.at), fits);
    for (const entry of heard) if (entry.fractionLost !== undefined) this.#losses.push(entry.fractionLost);
    const loss = this.#losses.length ? this.#losses.reduce((a, b) => a + b, 0) / this.#losses.length : null;
    const seconds = pair?.currentRoundTripTime ?? heard.find((entry) => entry.roundTripTime !== undefined)?.roundTripTime;
    const roundTripMs = seconds === undefined ? null : 1000 * seconds;
    const upKbps = Math.round(this.#up);
    // Without a camera little is sent, which says nothing about what could be.
    const grade = this.#readings < READINGS ? 'unknown' : gradeOf({ roundTripMs, loss, upKbps: sendsVideo || fits > 0 ? upKbps : null });
    return { grade, roundTripMs, loss, upKbps };
  }

  /** A new peer connection: its counters begin anew. */
  restart(): void {
    this.#last = null;
    this.#readings = 0;
    this.#up = 0;
    this.#losses = [];
  }
}

export function gradeOf({ roundTripMs, loss, upKbps }: Omit<NetworkFound, 'grade'>): NetworkGrade {
  const worse = (than: typeof BAD) => (roundTripMs ?? 0) > than.roundTripMs || (loss ?? 0) > than.loss || (upKbps !== null && upKbps < than.upKbps);
  if (roundTripMs === null && loss === null && upKbps === null) return 'unknown';
  return worse(BAD) ? 'bad' : worse(WEAK) ? 'weak' : 'good';
}
