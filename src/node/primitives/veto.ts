/** A guest is asked before something is done beneath it or to its service. */
import type { GuestName } from '../../engine/port.ts';
import type { EmulatedNode } from '../emulated-node.ts';
import { NodeError } from '../node-error.ts';

const MV_VETO = '/usr/local/sbin/mv-veto';
/** mv-veto: a hook forbids it. */
const VETO = 1;

/** Guests that do not run are not asked. @throws NodeError `vetoed` with what the guest's hook says */
export async function askForVeto(
  node: EmulatedNode,
  what: 'virtualize' | 'cut-over' | 'devirtualize',
  guests: readonly GuestName[],
  deadlineNs: number,
): Promise<void> {
  const running = await node.runningGuests();
  for (const name of guests.filter((each) => running.includes(each))) {
    const { exitCode, stdout } = await node.run(name, [MV_VETO, what], { deadlineNs });
    if (exitCode !== VETO) continue;
    throw new NodeError('vetoed', `guest '${name}' vetoes ${what}: ${stdout.trim() || 'it gives no reason'}`);
  }
}
