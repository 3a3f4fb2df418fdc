/** The machine goes back from the Microvisor to the firmware: on all harts in one meeting, or on none. */
import type { Waiting } from '../firmware/index.ts';
import { bareStates, captureAt, type HartStates, oneState } from './all-harts-state.ts';
import { virtualizedCalls } from './cross-hart.ts';
import { checkNotDrifted, expectedBoardState } from './drift.ts';
import type { Guest } from './guest.ts';
import type { MachineState } from './machine-state.ts';
import { Meeting } from './meeting.ts';
import type { MeteredHart } from './metered-hart.ts';
import { checkDevicesReleased } from './quiesce.ts';
import { Refusal } from './refusal.ts';
import { restoreMachineState } from './restore-state.ts';
import { revertSteps, type StepContext, stepsOf } from './steps/step.ts';
import { checkHartsStarted, type Running, type SwitchOver } from './virtualize.ts';
import { hartOf, monitorOf, type Virtualized } from './virtualized.ts';

/** The guest that is left has the machine. @throws Refusal, and nothing has changed */
export function* devirtualize(over: SwitchOver, leader: MeteredHart, running: Running): Waiting<Guest> {
  const { node, applied } = running;
  checkHartsStarted(over.hartIds, soleGuest(node).sbi.harts);
  const meeting = new Meeting(leader, virtualizedCalls(node), over.metered);
  yield* meeting.begin();
  try {
    // What was true before the harts came together need not be true any more.
    const guest = soleGuest(node);
    checkHartsStarted(over.hartIds, guest.sbi.harts);
    checkCallsReturned(guest);
    checkDevicesReleased(leader, node.partition, guest.side);
    const found = new Map<number, MachineState>();
    yield* meeting.everywhere((hart) => {
      monitorOf(node, hart.hartId).load(hart, hartOf(node, guest.side, hart.hartId));
      found.set(hart.hartId, captureAt(hart, leader));
    });
    checkNotDrifted(oneState(expectedStates(node, leader, applied)), oneState(found));
    const bare = bareStates(applied, over.board, guest.side);
    yield* revertEverywhere(over, meeting, found, (hart) => ({
      hart,
      side: guest.side,
      partition: node.partition,
      bare: new Map([...bare.get(leader.hartId)!, ...bare.get(hart.hartId)!]),
      found: found.get(hart.hartId)!,
      entry: over.entry,
    }));
    return guest;
  } finally {
    meeting.end();
  }
}

/** @throws Refusal `other-guest`, `vm-not-running` */
function soleGuest({ guests }: Virtualized): Guest {
  const [guest, other] = [...guests.values()];
  if (guest === undefined || other !== undefined) {
    throw new Refusal('other-guest', `devirtualize needs one guest, there are ${guests.size}`);
  }
  if (guest.phase.kind !== 'running') {
    throw new Refusal('vm-not-running', `guest ${guest.side} is ${guest.phase.kind}`);
  }
  return guest;
}

/** A call that waits for another hart cannot be handed to the firmware half-way. @throws Refusal `call-in-flight` */
function checkCallsReturned({ side, harts }: Guest): void {
  for (const { hartId, wait } of harts.values()) {
    if (wait?.kind !== 'sbi' || wait.until()) continue;
    throw new Refusal('call-in-flight', `hart ${hartId} of guest ${side} waits in an SBI call for another hart`);
  }
}

/** What M-mode owns, as the Microvisor believes it left it. */
export function expectedStates(node: Virtualized, leader: MeteredHart, applied: HartStates): HartStates {
  const monitors = [...node.monitors];
  const board = expectedBoardState(
    node.partition,
    monitors.map(([, monitor]) => monitor.steerWords),
  );
  return new Map(
    monitors.map(([id, monitor]) => {
      const hart = monitor.expectedState(applied.get(id)!);
      return [id, id === leader.hartId ? new Map([...hart, ...board]) : hart];
    }),
  );
}

/** Reverts the steps on every hart; where one fails, every hart is made again what was found. @throws Refusal */
function* revertEverywhere(
  { steps }: SwitchOver,
  meeting: Meeting,
  found: HartStates,
  contextOf: (hart: MeteredHart) => StepContext,
): Waiting<void> {
  const { leader } = meeting;
  try {
    yield* meeting.everywhere((hart) => {
      revertSteps(hart === leader ? steps : stepsOf(steps, 'hart'), contextOf(hart));
    });
  } catch (error) {
    yield* meeting.everywhere((hart) => restoreMachineState(hart, found.get(hart.hartId)!));
    throw new Refusal('step-failed', `devirtualize: ${String(error)}; the node is virtualized as before`);
  }
}
