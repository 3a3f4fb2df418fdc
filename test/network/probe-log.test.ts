import { describe, expect, test } from 'vitest';
import { ProbeLog, ProbeLogFormatError, type ProbeOutcome } from '../../src/network/probe-log.ts';
import { measureProbe } from '../../src/network/probe-measurement.ts';
import { probeSeries } from '../../src/network/probe-series.ts';

const MS = 1_000_000;
const schedule = { intervalNs: 10 * MS, deadlineNs: 50 * MS };

/** A slot each 10 ms from 3 ms on: a number is a correct answer after so many ms, a word another outcome. */
function logOf(...slots: readonly (number | ProbeOutcome)[]): ProbeLog {
  const log = new ProbeLog(schedule);
  for (const [index, slot] of slots.entries()) {
    const up = typeof slot === 'number';
    log.append({
      atNs: (3 + index * 10) * MS,
      outcome: up ? 'ok' : slot,
      latencyNs: (up ? slot : 50) * MS,
      servedBy: up ? 'nginx' : '',
    });
  }
  return log;
}

describe('a series', () => {
  test('has a bin a slot where there are few', () => {
    const log = logOf(2, 'timeout', 4);
    expect(probeSeries(log, 0, 200 * MS)).toEqual({
      fromNs: 3 * MS,
      binNs: 10 * MS,
      requests: [1, 1, 1],
      failed: [0, 1, 0],
      p50Ms: [2, null, 4],
      maxMs: [2, null, 4],
    });
    expect(probeSeries(log, 10 * MS, 20 * MS)).toMatchObject({ fromNs: 13 * MS, requests: [1], failed: [1] });
    expect(probeSeries(log, 40 * MS, 90 * MS)).toMatchObject({ fromNs: 40 * MS, requests: [] });
  });

  test('loses no request and no failure where there are many', () => {
    const log = logOf(...Array.from({ length: 2_500 }, (_, slot) => (slot % 7 === 0 ? 'reset' : (slot % 5) + 1)));
    const series = probeSeries(log, 0, 1e12);
    expect(series.binNs).toBe(30 * MS);
    expect(series.requests).toHaveLength(Math.ceil(2_500 / 3));
    const sum = (column: readonly number[]): number => column.reduce((total, value) => total + value, 0);
    const measured = measureProbe(log, 0, 1e12);
    expect([sum(series.requests), sum(series.failed)]).toEqual([measured.requests, measured.failed]);
    expect(Math.max(...series.maxMs.map((ms) => ms ?? 0))).toBe(measured.latencyMs?.max);
  });
});

describe('a measurement', () => {
  const steady = Array.from({ length: 10 }, () => 2);

  test.each([
    ['a flawless service', steady, [0, 200], { requests: 10, failed: 0, downtimeMs: 0, longestGapMs: 0 }],
    ['one slot down', [2, 2, 'refused', 2, 2], [0, 200], { requests: 5, failed: 1, downtimeMs: 10, longestGapMs: 10 }],
    [
      'two outages',
      [2, 'reset', 2, 'timeout', 'timeout', 2],
      [0, 200],
      { failed: 3, downtimeMs: 30, longestGapMs: 20 },
    ],
    ['an outage at the end', [2, 2, 'timeout', 'timeout'], [0, 200], { failed: 2, downtimeMs: 20, longestGapMs: 18 }],
    [
      'an outage at the beginning',
      ['timeout', 'timeout', 2, 2],
      [0, 200],
      { failed: 2, downtimeMs: 20, longestGapMs: 12 },
    ],
    [
      'nothing but outage',
      ['timeout', 'timeout', 'timeout'],
      [0, 200],
      { failed: 3, downtimeMs: 30, longestGapMs: 20 },
    ],
    ['a late answer', [2, 30, 2, 2, 2, 2], [0, 200], { failed: 0, downtimeMs: 0, longestGapMs: 10 }],
    [
      'an interval inside an outage',
      [2, 'timeout', 'timeout', 'timeout', 2],
      [13, 43],
      { requests: 3, failed: 3, longestGapMs: 20 },
    ],
    [
      'an interval into which an earlier answer falls',
      [2, 29, 'timeout', 'timeout', 'timeout'],
      [20, 53],
      { failed: 3, longestGapMs: 12 },
    ],
    [
      'an interval without slots',
      steady,
      [500, 600],
      { requests: 0, failed: 0, downtimeMs: 0, longestGapMs: 0, latencyMs: null },
    ],
    ['an empty interval', steady, [50, 50], { requests: 0, longestGapMs: 0 }],
  ] as const)('of %s', (_what, slots, [from, to], expected) => {
    expect(measureProbe(logOf(...slots), from * MS, to * MS)).toMatchObject(expected);
  });

  test('of nothing at all is nothing', () => {
    expect(measureProbe(new ProbeLog(schedule), 0, MS)).toEqual({
      requests: 0,
      failed: 0,
      downtimeMs: 0,
      longestGapMs: 0,
      resolutionMs: 10,
      latencyMs: null,
    });
  });

  test('has the latencies of correct answers by nearest rank', () => {
    const log = logOf(...Array.from({ length: 200 }, (_, index) => (index + 1) / 10), 'timeout');
    expect(measureProbe(log, 0, 1e12).latencyMs).toEqual({ p50: 10, p99: 19.8, max: 20 });
  });

  test('takes a slot to the interval in which it began', () => {
    const log = logOf(2, 'timeout', 2);
    expect(measureProbe(log, 0, 13 * MS).failed).toBe(0);
    expect(measureProbe(log, 13 * MS, 23 * MS).failed).toBe(1);
  });
});

describe('a probe log', () => {
  test('is the same saved and restored, thousands of slots included', () => {
    const log = logOf(...Array.from({ length: 5000 }, (_, index) => (index % 7 === 0 ? 'bad-status' : index % 40)));
    const restored = ProbeLog.restore(log.save());
    expect(Array.from(restored.records())).toEqual(Array.from(log.records()));
    expect(restored.schedule).toEqual(schedule);
  });

  test('whose writer was killed in a line is read up to that line', () => {
    const text = logOf(1, 2, 3).save();
    expect(ProbeLog.restore(text.slice(0, -5)).length).toBe(2);
  });

  test.each([
    ['', /line 1/],
    ['{"format":"other"}\n', /line 1: expected the header/],
    ['nonsense\n', /line 1: expected a JSON object/],
    [`${logOf(1).save()}{"atNs":1}\n`, /line 3: expected a slot/],
    [`${logOf(1).save()}[]\n`, /line 3: expected a JSON object/],
    [`${logOf(1).save()}{"atNs":99,"outcome":"maybe","latencyNs":1,"servedBy":""}\n`, /line 3: expected a slot/],
  ])('that says %j is refused', (text, message) => {
    expect(() => ProbeLog.restore(text)).toThrow(message);
    expect(() => ProbeLog.restore(text)).toThrow(ProbeLogFormatError);
  });

  test('that is full forgets its older half and goes on', () => {
    const log = new ProbeLog({ intervalNs: MS, deadlineNs: MS }, 4);
    for (let slot = 1; slot <= 7; slot++) {
      log.append({ atNs: slot * MS, outcome: 'ok', latencyNs: slot, servedBy: `${slot}` });
    }
    expect([...log.records()].map(({ atNs, latencyNs, servedBy }) => [atNs / MS, latencyNs, servedBy])).toEqual([
      [5, 5, '5'],
      [6, 6, '6'],
      [7, 7, '7'],
    ]);
    expect(log.indexAt(6 * MS)).toBe(1);
    expect(measureProbe(log, 0, 8 * MS)).toMatchObject({ requests: 3 });
  });

  test('takes slots in their order only', () => {
    const log = logOf(1, 1);
    expect(() => log.append({ atNs: 13 * MS, outcome: 'ok', latencyNs: 1, servedBy: '' })).toThrow(RangeError);
  });
});
