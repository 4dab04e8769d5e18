import { expect, test } from 'vitest';
import { framesByMid, QualityReading, signsOfLife, type StatsEntry } from './stats';

const audio = (fields: Partial<StatsEntry>): StatsEntry => ({ type: 'inbound-rtp', kind: 'audio', mid: '3', ...fields });
const video = (fields: Partial<StatsEntry>): StatsEntry => ({ type: 'inbound-rtp', kind: 'video', mid: '5', ...fields });

test('the first reading has nothing to compare with', () => {
  expect(new QualityReading().read([audio({ packetsReceived: 10 })], 0)).toBeNull();
});

test('a reading is what was gained since the one before, over all streams', () => {
  const reading = new QualityReading();
  reading.read([
    audio({ packetsReceived: 100, bytesReceived: 8_000, packetsLost: 1, concealedSamples: 10, totalSamplesReceived: 48_000 }),
    video({ packetsReceived: 500, bytesReceived: 400_000, packetsLost: 0, framesDecoded: 120, freezeCount: 0, totalFreezesDuration: 0 }),
  ], 1_000);
  const quality = reading.read([
    audio({ packetsReceived: 350, bytesReceived: 28_000, packetsLost: 4, concealedSamples: 970, totalSamplesReceived: 288_000, jitter: 0.012 }),
    video({ packetsReceived: 1_700, bytesReceived: 1_400_000, packetsLost: 2, framesDecoded: 270, freezeCount: 1, totalFreezesDuration: 0.35 }),
    { type: 'transport', selectedCandidatePairId: 'pair' },
    { type: 'candidate-pair', id: 'other', currentRoundTripTime: 9 },
    { type: 'candidate-pair', id: 'pair', currentRoundTripTime: 0.045 },
  ], 6_000);
  expect(quality).toEqual({
    interval_ms: 5_000, freezes: 1, freeze_ms: 350, concealed_samples: 960, total_samples: 240_000, frames_decoded: 150,
    packets_lost: 5, packets_received: 1_450, bytes_received: 1_020_000, jitter_ms: 12, round_trip_ms: 45,
  });
});

test('counters that begin anew give no reading with negative numbers', () => {
  const reading = new QualityReading();
  reading.read([video({ packetsReceived: 900 })], 0);
  expect(reading.read([video({ packetsReceived: 20 })], 5_000)).toBeNull();
  expect(reading.read([video({ packetsReceived: 70 })], 10_000)?.packets_received).toBe(50);
});

test('an unknown round trip is null and not 0', () => {
  const reading = new QualityReading();
  reading.read([], 0);
  expect(reading.read([], 5_000)?.round_trip_ms).toBeNull();
});

test('anything that arrives is a sign of life', () => {
  const before = signsOfLife([{ type: 'transport', bytesReceived: 10 }, { type: 'candidate-pair', responsesReceived: 1 }]);
  expect(signsOfLife([{ type: 'transport', bytesReceived: 10 }, { type: 'candidate-pair', responsesReceived: 2 }])).toBeGreaterThan(before);
  expect(signsOfLife([{ type: 'transport', bytesReceived: 10 }, { type: 'candidate-pair', responsesReceived: 1 }])).toBe(before);
});

test('frames are counted per slot', () => {
  expect(framesByMid([video({ framesDecoded: 5 }), video({ mid: '6', framesDecoded: 2 }), audio({})])).toEqual(new Map([['5', 5], ['6', 2]]));
});
