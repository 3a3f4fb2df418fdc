import { describe, expect, test } from 'vitest';
import { SIDES, type Side } from '../../src/machine/index.ts';
import type { SideAccount } from '../../src/microvisor/index.ts';
import { HangWatch, LOOK_NS } from '../../src/node/hang-watch.ts';
import { VirtualClock } from '../network/virtual-clock.ts';

type Shares = Readonly<Record<Side, Partial<Pick<SideAccount, 'ranNs' | 'idleNs' | 'heldNs'>>>>;

/** Sides suspected, and when in looks, where each side spends its time in these shares. */
async function suspicions(shares: Shares, looks = 3): Promise<string[]> {
  const clock = new VirtualClock();
  const found: string[] = [];
  const account = (side: Side): SideAccount => {
    const part = (name: 'ranNs' | 'idleNs' | 'heldNs'): number => (shares[side][name] ?? 0) * clock.now();
    const none = { exits: {}, monitorNs: 0, switchesIn: 0 };
    return { ...none, ranNs: part('ranNs'), idleNs: part('idleNs'), heldNs: part('heldNs') };
  };
  const onSuspicion = (side: Side): void => void found.push(`${side}@${clock.now() / LOOK_NS}`);
  const watch = new HangWatch({ clock, account, onSuspicion });
  let end = (): void => {};
  const work = watch.during(() => new Promise<void>((resolve) => (end = resolve)));
  clock.run(looks * LOOK_NS);
  end();
  await work;
  expect(clock.pending).toBe(0);
  return found;
}

describe('a guest under watch', () => {
  test('is suspected when it never waits and keeps the hart from the other one', async () => {
    const found = await suspicions({ A: { ranNs: 0.95 }, B: { ranNs: 0.05, heldNs: 0.95 } });
    expect(found).toEqual(['A@1', 'A@2', 'A@3']);
  });

  test('is not when it waits now and then, however busy it is', async () => {
    expect(await suspicions({ A: { ranNs: 0.94, idleNs: 0.01 }, B: { ranNs: 0.05, heldNs: 0.94 } })).toEqual([]);
  });

  test('is not when nobody else wants the hart', async () => {
    for (const side of SIDES) {
      const other = side === 'A' ? 'B' : 'A';
      const shares = { [side]: { ranNs: 1 }, [other]: { idleNs: 1 } } as unknown as Shares;
      expect(await suspicions(shares)).toEqual([]);
    }
  });
});
