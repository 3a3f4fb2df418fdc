/** A guest is asked before something is done beneath it or to its service. */
import type { GuestName } from '../../engine/port.ts';
import type { EmulatedNode } from '../emulated-node.ts';
import { NodeError } from '../node-error.ts';
import { unlessItFalls } from './unless-it-falls.ts';

const MV_VETO = '/usr/local/sbin/mv-veto';
/** An agent that is there answers within a few milliseconds. */
const ANSWER_NS_MAX = 1_000_000_000;
/** mv-veto: a hook forbids it. */
const VETO = 1;

/**
 * Guests that are not up, or whose agent does not answer, have no say: what they need is that somebody can help them.
 * @throws NodeError `vetoed` with what the guest's hook says
 */
export async function askForVeto(
  node: EmulatedNode,
  what: 'virtualize' | 'replace' | 'cut-over' | 'devirtualize',
  guests: readonly GuestName[],
  deadlineNs: number,
): Promise<void> {
  for (const name of guests.filter((each) => node.isUp(each))) {
    const answerNs = Math.min(deadlineNs, node.machine.now() + ANSWER_NS_MAX);
    if (!(await node.withAgent(name, (agent) => agent.answers({ deadlineNs: answerNs })))) continue;
    const answer = await unlessItFalls(node, name, () => node.run(name, [MV_VETO, what], { deadlineNs }));
    if (answer?.exitCode !== VETO) continue;
    throw new NodeError('vetoed', `guest '${name}' vetoes ${what}: ${answer.stdout.trim() || 'it gives no reason'}`);
  }
}
