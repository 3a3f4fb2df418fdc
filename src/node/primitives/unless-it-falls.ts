/** Work that a guest may not survive. */
import type { GuestName } from '../../engine/port.ts';
import type { EmulatedNode } from '../emulated-node.ts';

/** What the work gives; undefined when the guest crashed, or hangs, over it: it is down then. Rejects as the work does. */
export async function unlessItFalls<T>(
  node: EmulatedNode,
  name: GuestName,
  work: () => Promise<T>,
): Promise<T | undefined> {
  try {
    return await work();
  } catch (error) {
    if (await node.responds(name)) throw error;
    return undefined;
  }
}
