import { expect, it } from 'vitest';
import { topLines } from '../../src/cli/node-top.ts';
import type { NodeTop } from '../../src/node/index.ts';

const account = (scale: number) => ({
  exits: { wfi: 100 * scale, sbi: scale },
  ranNs: 250_000_000 * scale,
  idleNs: 700_000_000 * scale,
  heldNs: 45_000_000 * scale,
  monitorNs: 5_000_000 * scale,
  switchesIn: 10 * scale,
});
const look = (scale: number): NodeTop => ({
  nowNs: 1_000_000_000 * scale,
  harts: 1,
  virtualized: true,
  retiredInstructions: 400_000_000 * scale,
  traps: { '0x9': scale, '0x2': 100 * scale },
  sides: [
    { side: 'A', guest: 'old', account: account(scale) },
    { side: 'B', guest: null, account: { ...account(0), exits: {} } },
  ],
  standbys: [],
});

it('A look tells what was used since the one before', () => {
  expect(topLines(look(3), look(2))).toEqual([
    'node time 3.000 s (+1000.0 ms), 1 hart, virtualized, 400.0 M instr/s, 101.0 M-mode entries/s',
    'side  guest  ran     waited  idle    monitor  switches  exits',
    'A     old    25.00%  4.50%   70.00%  0.50%    10        wfi 100, sbi 1',
    'B     -      0.00%   0.00%   0.00%   0.00%    0',
  ]);
});

it('The first look tells what was used since the node was switched on', () => {
  expect(topLines(look(2))[2]).toBe('A     old    25.00%  4.50%   70.00%  0.50%    20        wfi 200, sbi 2');
});

it('A look tells what is kept asleep, and whether it can be woken', () => {
  const kept = { side: 'B', bytes: 113 * 2 ** 20 } as const;
  const standbys = [
    { ...kept, name: 'fresh', worth: 'good' } as const,
    { ...kept, name: 'old', worth: 'outdated' } as const,
  ];
  expect(topLines({ ...look(1), standbys }).slice(4)).toEqual([
    'standby fresh: of side B, 113 MiB, can be woken',
    'standby old: of side B, 113 MiB, worthless: kept before the last commit',
  ]);
});
