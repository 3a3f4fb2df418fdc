import { describe, expect, test } from 'vitest';
import { describeFaults, drawFaults, parseFault, type Reference } from '../../tools/faults/fault.ts';

const STEPS = ['slipUnder', 'giveUpMemory', 'bootCopy', 'after', 'moveStore', 'drainOld', 'shutDownOld', 'slipOut'];
const SECOND_NS = 1e9;
/** A step a second, the first one at the first second. */
const reference: Reference = {
  steps: Object.fromEntries(STEPS.map((name, index) => [name, (index + 1) * SECOND_NS])),
  endNs: (STEPS.length + 2) * SECOND_NS,
  records: 90,
};
const RESTART = { maintenance: 'restart', fromStandby: false } as const;
const draw = (number: number) => drawFaults(1, number, RESTART, reference);
const all = Array.from({ length: 1000 }, (_, index) => draw(index + 1));

describe('the faults of a run', () => {
  test('depend on the seed of the campaign and the number of the run alone', () => {
    expect(draw(17)).toEqual(draw(17));
    expect(new Set(all.map(({ seed }) => seed)).size).toBe(all.length);
    expect(drawFaults(2, 17, RESTART, reference)).not.toEqual(draw(17));
  });

  test('are of every kind in a hundred runs, whatever the seed', () => {
    for (const seed of [1, 2, 3]) {
      const hundred = Array.from({ length: 100 }, (_, index) => drawFaults(seed, index + 1, RESTART, reference));
      const runs = Map.groupBy(hundred, describeFaults);
      expect([...runs.keys()].toSorted()).toEqual([
        'I/O errors',
        'disk full',
        'hang new',
        'hang old',
        'kill mvctl',
        'kill mvctl + kill mvctl',
        'mvctl ends at a record',
        'network down',
        'panic new',
        'panic old',
        'power cut',
        'power-off new',
        'power-off new + kill mvctl',
        'power-off new + power-off old',
        'power-off old',
        'power-off old + kill mvctl',
      ]);
      expect(runs.get('panic old')).toHaveLength(14);
    }
  });

  test('fall where there is what they hit', () => {
    for (const { faults, recordCrash } of all) {
      const [first, second] = faults;
      if (recordCrash !== undefined) expect(recordCrash.record).toBeLessThanOrEqual(reference.records);
      if (first === undefined) continue;
      expect(first.atNs).toBeGreaterThanOrEqual(reference.steps['slipUnder']!);
      expect(first.atNs).toBeLessThanOrEqual(reference.endNs);
      if (second !== undefined) expect(second.atNs - first.atNs).toBeLessThanOrEqual(SECOND_NS);
    }
  });

  test('can be written by hand', () => {
    const fault = parseFault('power-off old@moveStore+60', reference);
    expect(fault).toMatchObject({ kind: 'power-off', guest: 'old', atNs: 5 * SECOND_NS + 60e6 });
    expect(parseFault('I/O errors@moveStore+1 for 200', reference)).toMatchObject({ kind: 'I/O errors', forMs: 200 });
    expect(() => parseFault('power-off old@nowhere+60', reference)).toThrow(
      /expected a fault such as .* found 'power-off/,
    );
  });
});
