import { describe, expect, it } from 'vitest';
import { otherSide } from '../../src/microvisor/partition.ts';
import { decide } from '../../src/microvisor/scheduler.ts';
import { Share } from '../../src/microvisor/share.ts';

const BOTH = { A: true, B: true };

function share(percent: number, sliceTicks: number): Share {
  const made = new Share();
  made.policy = { percent, sliceTicks };
  return made;
}

/** Runs two guests that always want the hart for `ticks`; what each got, and the longest the production guest waited. */
function contend(of: Share, ticks: number): { ran: Record<'A' | 'B', number>; longestWait: number } {
  const ran = { A: 0, B: 0 };
  let longestWait = 0;
  for (let now = 0; now < ticks; ) {
    const decision = decide('A', BOTH, of, now);
    if (decision.run === null) throw new Error('both want the hart');
    const until = Math.min(ticks, decision.untilTicks);
    ran[decision.run] += until - now;
    if (decision.run === 'B') longestWait = Math.max(longestWait, until - now);
    if (decision.run === 'A') of.waited(until - now);
    now = until;
  }
  return { ran, longestWait };
}

describe('the scheduler', () => {
  it.each(['A', 'B'] as const)('runs production %s when both can run and nothing is owed', (production) => {
    expect(decide(production, BOTH, share(5, 2000), 0)).toMatchObject({ run: production });
  });

  it.each(['A', 'B'] as const)('gives production %s’s idle time to the other guest', (production) => {
    const runnable = { ...BOTH, [production]: false };
    expect(decide(production, runnable, share(0, 2000), 0)).toEqual({
      run: otherSide(production),
      untilTicks: Number.POSITIVE_INFINITY,
    });
  });

  it('runs nobody when nobody can run', () => {
    expect(decide('A', { A: false, B: false }, share(5, 2000), 0)).toEqual({ run: null });
  });

  it.each([1, 5, 20, 50, 90])('gives a maintenance guest %i %% of what production would take, in slices', (percent) => {
    const { ran, longestWait } = contend(share(percent, 2000), 10_000_000);
    expect(ran.B / ran.A).toBeCloseTo(percent / 100, 2);
    expect(longestWait).toBe(2000);
  });

  it('lets a maintenance guest with no share wait for ever', () => {
    expect(contend(share(0, 2000), 10_000_000).ran).toEqual({ A: 10_000_000, B: 0 });
  });

  it('keeps what is left of a slice for when both want the hart again', () => {
    const owed = share(50, 2000);
    owed.waited(10_000);
    expect(decide('A', BOTH, owed, 0)).toEqual({ run: 'B', untilTicks: 2000 });
    expect(decide('A', { A: true, B: false }, owed, 100)).toMatchObject({ run: 'A' });
    expect(decide('A', BOTH, owed, 500)).toEqual({ run: 'B', untilTicks: 2400 });
    expect(decide('A', BOTH, owed, 2400)).toMatchObject({ run: 'A' });
  });
});
