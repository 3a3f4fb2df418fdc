/**
 * Twins: two machines that are the same, bit for bit, until the Microvisor comes to one of them. Time passes while it comes
 * and goes; the other one stands still as long, so that its OS finds the same time on every clock it has.
 */
import { COSTS, type Firmware } from '../../src/firmware/index.ts';
import type { Machine, SnapshotValue } from '../../src/machine/index.ts';

const LIMIT_NS = 10_000_000;
const LOOKS_MAX = 100;
const BETWEEN_LOOKS_NS = 10_000;
const NOTHING = new Uint8Array(0);
/** What the firmware is charged from an empty answer to the return into the OS. */
const AFTER_ANSWER_CYCLES = COSTS.mmioAccess + COSTS.trapExit;

/** The first hart is in M-mode for `cycles`, from the trap to the return, and does nothing there. */
export function standStill(machine: Machine, firmware: Firmware, cycles: number): void {
  const before = machine.counters.chargedCycles;
  const { service } = firmware;
  // biome-ignore lint/correctness/useYield: a service may wait, this one does not.
  firmware.service = function* (hart) {
    hart.charge(cycles - AFTER_ANSWER_CYCLES - (machine.counters.chargedCycles - before));
    return NOTHING;
  };
  let isOver = false;
  machine.postMailbox(NOTHING, () => {
    isOver = true;
    machine.pause();
  });
  const limitNs = machine.now() + LIMIT_NS;
  while (!isOver && machine.now() < limitNs) machine.run(limitNs);
  firmware.service = service;
  if (!isOver) throw new Error('the machine did not stand still: nobody answered');
}

type Tree = { readonly [name: string]: SnapshotValue };

/** Index of the registers of the M-mode trap among those of a hart: mepc, mcause, mtval hold whatever the last one left. */
const TRAP_REGISTERS = [7, 8, 9];

/** A snapshot without what tells how often M-mode was entered, and why last. */
export function withoutMonitor(snapshot: SnapshotValue): SnapshotValue {
  const { harts: runner, ...machine } = snapshot as Tree;
  const { harts, chargedCycles: _, ...run } = runner as Tree;
  const stripped = (harts as readonly Tree[]).map(({ state, ...hart }) => {
    const { control, ...registers } = state as Tree;
    const { machineModeEntries: __, registers: csrs, ...rest } = control as Tree;
    const kept = (csrs as readonly SnapshotValue[]).filter((___, index) => !TRAP_REGISTERS.includes(index));
    return { ...hart, ...registers, ...rest, csrs: kept };
  });
  return { ...machine, ...run, harts: stripped };
}

/** Names of what is not the same in two snapshots, at most `max` of them; empty: bit for bit the same. */
export function whatDiffers(one: SnapshotValue, other: SnapshotValue, max = 20): string[] {
  const found: string[] = [];
  compare('machine', one, other);
  return found;

  function compare(name: string, left: SnapshotValue | undefined, right: SnapshotValue | undefined): void {
    if (found.length >= max || left === right) return;
    if (left instanceof Uint8Array && right instanceof Uint8Array) {
      if (Buffer.compare(left, right) !== 0) found.push(name);
    } else if (isTree(left) && isTree(right)) {
      for (const key of new Set([...Object.keys(left), ...Object.keys(right)])) {
        compare(`${name}.${key}`, left[key], right[key]);
      }
    } else found.push(`${name}: ${String(left)} and ${String(right)}`);
  }
}

const isTree = (value: SnapshotValue | undefined): value is Tree =>
  typeof value === 'object' && value !== null && !(value instanceof Uint8Array);

/** The machine at an instant at which no hart has asked another for anything: M-mode software holds nothing then. */
export function saveOutsideCalls(machine: Machine): SnapshotValue {
  type Saved = { board: { aclint: { msip: unknown[] } }; harts: { harts: { mode: string }[] } };
  for (let attempt = 0; attempt < LOOKS_MAX; attempt++) {
    const saved = machine.save();
    const { board, harts } = saved as unknown as Saved;
    const isQuiet = board.aclint.msip.every((level) => !level);
    if (isQuiet && harts.harts.every(({ mode }) => mode !== 'program-waiting')) return saved;
    runOn(machine, BETWEEN_LOOKS_NS);
  }
  throw new Error('some hart asks another for something at every look');
}

/** The machine runs for that long, whoever pauses it. */
export function runOn(machine: Machine, ns: number): void {
  const untilNs = machine.now() + ns;
  while (machine.now() < untilNs && machine.run(untilNs) === 'paused') {}
}

interface BareNode {
  readonly machine: Machine;
  readonly firmware: Firmware;
}

/** `node`, whose M-mode software was never virtualized, gets the machine and the OS of another bare node. */
export function takeAfter(node: BareNode, other: BareNode, saved: SnapshotValue): void {
  node.machine.restore(saved);
  node.firmware.side = other.firmware.side;
  node.firmware.osRuns();
}
