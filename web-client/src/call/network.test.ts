import { describe, expect, test } from 'vitest';
import { gradeOf, NetworkReading } from './network';

/** A browser that sends `kbps` and hears this back. */
function reports(kbps: number, { rtt = 0.04, loss = 0, fits = undefined as number | undefined } = {}) {
  const reading = new NetworkReading();
  const at = (second: number) => reading.read([
    { type: 'transport', selectedCandidatePairId: 'p' },
    { type: 'candidate-pair', id: 'p', currentRoundTripTime: rtt, ...(fits === undefined ? {} : { availableOutgoingBitrate: fits * 1000 }) },
    { type: 'outbound-rtp', bytesSent: (second * kbps * 1000) / 8 },
    { type: 'remote-inbound-rtp', fractionLost: loss },
  ] as never, second * 1000, true);
  return { reading, at };
}

describe('the network in numbers', () => {
  test('nothing is said before it was read a few times', () => {
    const { at } = reports(800);
    expect([0, 1, 2].map((second) => at(second).grade)).toEqual(['unknown', 'unknown', 'unknown']);
    expect(at(3)).toEqual({ grade: 'good', roundTripMs: 40, loss: 0, upKbps: 800 });
  });

  test('what fits counts if it is more than what was sent', () => {
    const { at } = reports(30, { fits: 900 });
    [0, 1, 2].forEach(at);
    expect(at(3)).toMatchObject({ grade: 'good', upKbps: 900 });
  });

  test.each([
    [40, { rtt: 0.04 }, 'bad'],
    [800, { rtt: 0.7 }, 'bad'],
    [800, { loss: 0.2 }, 'bad'],
    [200, {}, 'weak'],
    [800, { rtt: 0.4 }, 'weak'],
    [800, { loss: 0.05 }, 'weak'],
  ] as const)('%d kbit/s with %o is %s', (kbps, how, grade) => {
    const { at } = reports(kbps, how);
    [0, 1, 2].forEach(at);
    expect(at(3).grade).toBe(grade);
  });

  test('a new connection is measured anew', () => {
    const { at } = reports(800);
    [0, 1, 2, 3].forEach(at);
    expect(at(0).grade).toBe('unknown');
    expect(at(1)).toMatchObject({ grade: 'unknown' });
  });

  test('what was not measured makes nothing bad', () => {
    expect(gradeOf({ roundTripMs: null, loss: null, upKbps: null })).toBe('unknown');
    expect(gradeOf({ roundTripMs: 40, loss: null, upKbps: null })).toBe('good');
  });
});
