import { describe, expect, test } from 'vitest';
import type { EmulatedNode } from '../../src/node/emulated-node.ts';
import { awake, comingUp } from '../../src/node/primitives/awake.ts';

/** A node whose guest is off, and comes up a turn after it was booted; the first `failures` boots fail. */
function nodeWithGuest(failures = 0) {
  let isUp = false;
  let left = failures;
  const asked: string[] = [];
  const node = {
    virtualized: true,
    comingUp: new Map(),
    executive: { drive: <T>(work: Promise<T>) => work },
    guests: { get: () => ({ side: 'B', standby: undefined, isBehind: false }) },
    isUp: () => isUp,
    responds: async () => isUp,
    guestState: async () => 'off',
    guestStatus: async () => ({ state: 'off', boots: 1 }),
    monitor: { request: async ({ op }: { readonly op: string }) => asked.push(op) },
    cameUp: async () => {
      await new Promise((resolve) => setImmediate(resolve));
      if (left-- > 0) throw new Error('it went off');
      isUp = true;
    },
  };
  return { asked, node: node as unknown as EmulatedNode };
}

describe('a guest that several need', () => {
  test('is brought up once', async () => {
    const { node, asked } = nodeWithGuest();
    await Promise.all([awake(node, 'new', 1), awake(node, 'new', 1), awake(node, 'new', 1)]);
    expect(asked).toEqual(['bootVm']);
  });

  test('is brought up by the next one where the first one failed', async () => {
    const { node, asked } = nodeWithGuest(1);
    const ends = await Promise.allSettled([awake(node, 'new', 1), awake(node, 'new', 1)]);
    expect(ends.map(({ status }) => status)).toEqual(['rejected', 'fulfilled']);
    expect(asked).toEqual(['bootVm', 'bootVm']);
  });

  test('is left asleep until what is copied from it has been', async () => {
    const { node, asked } = nodeWithGuest();
    let finish = (): void => {};
    const copied = comingUp(node, 'new', () => new Promise<void>((resolve) => (finish = resolve)));
    const needed = awake(node, 'new', 1);
    await new Promise((resolve) => setImmediate(resolve));
    expect(asked).toEqual([]);
    finish();
    await Promise.all([copied, needed]);
    expect(asked).toEqual(['bootVm']);
  });
});
