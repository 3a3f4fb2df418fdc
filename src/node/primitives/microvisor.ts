/** virtualize, devirtualize, and the proof that nothing of it is left. */
import { GUEST_NAMES } from '../../engine/port.ts';
import type { MachineCounters } from '../../machine/index.ts';
import type { MicrovisorStatus } from '../../microvisor/index.ts';
import type { EmulatedNode } from '../emulated-node.ts';
import { NodeError } from '../node-error.ts';
import { awake } from './awake.ts';
import type { Primitive } from './table.ts';
import { askForVeto } from './veto.ts';

export const virtualize: Primitive<'microvisor.virtualize'> = async (node, _args, { deadlineNs }) => {
  await askForVeto(node, 'virtualize', ['old'], deadlineNs);
  const startNs = node.machine.now();
  const answer = await node.monitor.request({ op: 'virtualize' });
  node.virtualized = true;
  return { switchNs: answer.switchNs, pauseNs: node.machine.now() - startNs };
};

/** How long the node waits for requests in flight to come home before the guard refuses. */
const QUIET_NS_MAX = 2_000_000_000;
const QUIET_POLL_NS = 100_000;

export const devirtualize: Primitive<'microvisor.devirtualize'> = async (node, _args, context) => {
  if (!node.virtualized) {
    const { status } = await node.monitor.request({ op: 'status' });
    return { switchNs: 0, pauseNs: 0, ...bareStateOf(status) };
  }
  // An OS that is off, or boots, cannot be left alone with the machine.
  const left = GUEST_NAMES.filter((name) => node.guests.find(name) !== undefined);
  if (left.length === 1) await awake(node, left[0]!, context.deadlineNs);
  await askForVeto(node, 'devirtualize', GUEST_NAMES, context.deadlineNs);
  await quiet(node, Math.min(context.deadlineNs, node.machine.now() + QUIET_NS_MAX));
  const startNs = node.machine.now();
  const answer = await node.monitor.request({ op: 'devirtualize' });
  node.virtualized = false;
  return { switchNs: answer.switchNs, pauseNs: node.machine.now() - startNs, ...bareStateOf(answer.status) };
};

export const replaceMicrovisor: Primitive<'microvisor.replace'> = async (node, { release }, { deadlineNs }) => {
  const before = node.microvisor.release.name;
  if (before === release) return { switchNs: 0, pauseNs: 0, before, after: release };
  await askForVeto(node, 'replace', GUEST_NAMES, deadlineNs);
  const startNs = node.machine.now();
  const { switchNs, status } = await node.replaceMicrovisor(release);
  return { switchNs, pauseNs: node.machine.now() - startNs, before, after: status.release };
};

/** What the machine itself says of its bare state, read by M-mode at that instant. */
const bareStateOf = ({ stateIdentical, differences }: MicrovisorStatus) => ({
  stateIdentical: stateIdentical === true,
  differences: differences.map(({ name, expected, found }) => `${name}: expected ${expected}, found ${found}`),
});

async function quiet(node: EmulatedNode, untilNs: number): Promise<void> {
  while (node.requestsInFlight() > 0) {
    if (node.machine.now() >= untilNs) {
      throw new NodeError('refused', `devirtualize: ${node.requestsInFlight()} device requests are still in flight`);
    }
    await node.executive.drive(node.executive.sleep(QUIET_POLL_NS));
  }
}

/**
 * SBI calls of the OS itself: what any board's firmware would serve, [SBI] "Binary Encoding"; and on several harts what a
 * call on one has another do.
 */
const ECALL_FROM_S = '0x9';
const SOFTWARE_INTERRUPT = '0x80000003';

/** M-mode entries that a node without a Microvisor would not have taken. */
export function entriesBeyondSbi(before: MachineCounters, after: MachineCounters, harts: number): number {
  const ofSbi = harts === 1 ? [ECALL_FROM_S] : [ECALL_FROM_S, SOFTWARE_INTERRUPT];
  let extra = 0;
  for (const [cause, count] of Object.entries(after.machineModeEntries)) {
    if (!ofSbi.includes(cause)) extra += count - (before.machineModeEntries[cause] ?? 0);
  }
  return extra;
}

export const auditBareNode: Primitive<'microvisor.audit'> = async (node, args) => {
  const { status } = await node.monitor.request({ op: 'status' });
  const before = structuredClone(node.machine.counters);
  await node.executive.drive(node.executive.sleep(args.durationMs * 1e6));
  return {
    bareTrapsExtra: entriesBeyondSbi(before, node.machine.counters, node.machine.options.harts),
    stateIdentical: status.stateIdentical === true,
  };
};
