import { describe, expect, test } from 'vitest';
import type { SideAccount } from '../../src/microvisor/index.ts';
import { BusyWatch } from '../../src/node/busy-watch.ts';

const MS = 1_000_000;

/** A guest whose account is moved on by hand. */
function watched() {
  let account: SideAccount = { exits: {}, ranNs: 0, idleNs: 0, heldNs: 0, monitorNs: 0, switchesIn: 0 };
  const goOn = (ranMs: number, idleMs: number): void => {
    account = { ...account, ranNs: account.ranNs + ranMs * MS, idleNs: account.idleNs + idleMs * MS };
  };
  return { watch: new BusyWatch(() => account), goOn };
}

describe('a guest that is watched', () => {
  test('is as busy as it has run since it was last seen to have waited', () => {
    const { watch, goOn } = watched();
    goOn(150, 0);
    expect(watch.busyNs()).toBe(150 * MS);
    goOn(200, 0);
    expect(watch.busyNs()).toBe(350 * MS);
    goOn(199, 1);
    expect(watch.busyNs()).toBe(0);
    goOn(10, 0);
    expect(watch.busyNs()).toBe(10 * MS);
  });

  test('is watched from anew when it turned out to be well', () => {
    const { watch, goOn } = watched();
    goOn(900, 0);
    watch.begin();
    expect(watch.busyNs()).toBe(0);
  });
});
