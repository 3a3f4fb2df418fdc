/** The machine goes from the firmware to the Microvisor: on all harts in one meeting, or on none. */
import { type BoardRom, HART_STATE, HartGroup, type Waiting } from '../firmware/index.ts';
import type { MachineModeHart, MemoryMap, Side } from '../machine/index.ts';
import type { AccountBook } from './account-book.ts';
import { bareStates, captureAt, type HartStates, oneState } from './all-harts-state.ts';
import { bareCalls } from './cross-hart.ts';
import { checkNotDrifted } from './drift.ts';
import { Guest } from './guest.ts';
import { HartMonitor } from './hart-monitor.ts';
import type { MachineState } from './machine-state.ts';
import { Meeting } from './meeting.ts';
import type { MeteredHart } from './metered-hart.ts';
import { soleOwner } from './partition.ts';
import { Refusal } from './refusal.ts';
import { DEFAULT_SHARE } from './share.ts';
import { applySteps, type ReversibleStep, revertSteps, type StepContext, stepsOf } from './steps/step.ts';
import { hartOf, type Virtualized } from './virtualized.ts';

/** What virtualize and devirtualize work with. */
export interface SwitchOver {
  readonly board: MemoryMap;
  readonly hartIds: readonly number[];
  readonly rom: BoardRom;
  readonly book: AccountBook;
  readonly steps: readonly ReversibleStep[];
  /** Address of the Microvisor. */
  readonly entry: number;
  /** The hart as the Microvisor charges itself for what it does there. */
  readonly metered: (hart: MachineModeHart) => MeteredHart;
}

export interface Running {
  readonly node: Virtualized;
  /** What M-mode owned right after virtualize. */
  readonly applied: HartStates;
}

/** The OS of `side` runs on the harts of `group`. @throws Refusal, and nothing has changed */
export function* virtualize(over: SwitchOver, leader: MeteredHart, side: Side, group: HartGroup): Waiting<Running> {
  checkHartsStarted(over.hartIds, group);
  const meeting = new Meeting(leader, bareCalls(group), over.metered);
  yield* meeting.begin();
  try {
    const found = new Map<number, MachineState>();
    yield* meeting.everywhere((hart) => found.set(hart.hartId, captureAt(hart, leader)));
    const bare = bareStates(found, over.board, side);
    checkNotDrifted(oneState(bare), oneState(found));
    const node = virtualizedNode(over, side, group);
    yield* applyEverywhere(over, meeting, (hart) => ({
      hart,
      side,
      partition: node.partition,
      bare: new Map([...bare.get(leader.hartId)!, ...bare.get(hart.hartId)!]),
      found: found.get(hart.hartId)!,
      entry: over.entry,
    }));
    const applied = new Map<number, MachineState>();
    yield* meeting.everywhere((hart) => {
      node.monitors.set(hart.hartId, HartMonitor.virtualized(hart, node, hartOf(node, side, hart.hartId)));
      applied.set(hart.hartId, captureAt(hart, leader));
    });
    return { node, applied };
  } finally {
    meeting.end();
  }
}

/** @throws Refusal `hart-offline` */
export function checkHartsStarted(hartIds: readonly number[], group: HartGroup): void {
  const offline = hartIds.filter((id) => group.state(id) !== HART_STATE.started);
  if (offline.length === 0) return;
  const names = offline.map((id) => `hart ${id}`).join(', ');
  throw new Refusal('hart-offline', `every hart has to be online in the one OS there is; ${names} is not`);
}

/** Applies the steps on every hart; where one of them fails, what was done on the others is reverted. @throws Refusal */
function* applyEverywhere(
  { steps }: SwitchOver,
  meeting: Meeting,
  contextOf: (hart: MeteredHart) => StepContext,
): Waiting<void> {
  const { leader } = meeting;
  const done = new Set<number>();
  const stepsFor = (hart: MeteredHart) => (hart === leader ? steps : stepsOf(steps, 'hart'));
  try {
    yield* meeting.everywhere((hart) => {
      applySteps(stepsFor(hart), contextOf(hart));
      done.add(hart.hartId);
    });
  } catch (error) {
    yield* meeting.everywhere((hart) => {
      const { found: _, ...halfWay } = contextOf(hart);
      if (done.has(hart.hartId)) revertSteps(stepsFor(hart), halfWay);
    });
    throw error;
  }
}

function virtualizedNode({ board, rom, book, hartIds }: SwitchOver, side: Side, group: HartGroup): Virtualized {
  const node: Virtualized = {
    partition: soleOwner(board, side),
    guests: new Map(),
    production: side,
    share: DEFAULT_SHARE,
    book,
    rom,
    monitors: new Map(),
    calls: new HartGroup(hartIds),
  };
  node.guests.set(side, Guest.running(side, group, node));
  return node;
}
