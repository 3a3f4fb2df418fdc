/** Loading a guest's OS, a step at a time, while another guest runs. */
import { BootError, HART_STATE, loadOs, sideMemory, type Waiting } from '../firmware/index.ts';
import type { MachineModeHart, MemoryRegion, Side } from '../machine/index.ts';
import { onHarts, virtualizedCalls } from './cross-hart.ts';
import type { Guest } from './guest.ts';
import { freshContext } from './hart-context.ts';
import { ownsMemory, type Partition } from './partition.ts';
import type { Virtualized } from './virtualized.ts';

/** Whether the guest owns the memory its OS is told of at boot. */
export function ownsBootMemory({ partition }: Virtualized, guest: Guest): boolean {
  return ownsAll(partition, guest.side, sideMemory(partition.board, guest.side).own);
}

const ownsAll = (partition: Partition, side: Side, regions: readonly MemoryRegion[]): boolean =>
  regions.every(({ base, bytes }) => ownsMemory(partition, side, base, bytes));

/**
 * The guest's OS is loaded from its disk from now on, on its boot hart. What it was before is gone; its devices have been
 * reset, its harts are stopped.
 */
export function* beginBoot(hart: MachineModeHart, node: Virtualized, guest: Guest): Waiting<void> {
  for (const virtual of guest.harts.values()) virtual.clear();
  yield* onHarts(virtualizedCalls(node), hart, [guest.bootHartId], (bootHart) => load(bootHart, node, guest));
}

function load(hart: MachineModeHart, node: Virtualized, guest: Guest): void {
  // Where this hart had to be waited for, another request may have been first.
  if (guest.isAlive) return;
  const { side } = guest;
  const memory = sideMemory(node.partition.board, side);
  // What it has given up, or never had, is not there to be taken up.
  const takesUp = side === node.production && ownsAll(node.partition, side, memory.takeUp);
  const os = { side, memory, service: side === node.production, takesUp };
  guest.phase = { kind: 'booting', hartId: hart.hartId, loader: loadOs(hart, os, node.rom), waits: false };
  guest.bootError = undefined;
}

/** One step of the loader, up to its next wait for the disk. */
export function continueBoot(hart: MachineModeHart, guest: Guest): void {
  if (guest.phase.kind !== 'booting') throw new Error(`guest ${guest.side} is ${guest.phase.kind}, not booting`);
  const { loader } = guest.phase;
  try {
    const step = loader.next();
    if (step.done !== true) {
      guest.phase = { ...guest.phase, waits: step.value === 'wfi' };
      return;
    }
    const { entry, deviceTree } = step.value;
    const virtual = guest.harts.get(hart.hartId);
    if (virtual === undefined)
      throw new Error(`guest ${guest.side} boots on hart ${hart.hartId}, which is not its own`);
    virtual.context = freshContext(hart, { address: BigInt(entry), opaque: BigInt(deviceTree) });
    // Only a started hart is sent the interrupts its OS asks for, those to itself included.
    guest.sbi.harts.setState(hart.hartId, HART_STATE.started);
    guest.phase = { kind: 'running' };
    guest.boots += 1;
  } catch (error) {
    const code = error instanceof BootError ? error.code : 'firmware';
    guest.bootError = { code, message: error instanceof Error ? error.message : String(error) };
    guest.phase = { kind: 'off' };
  }
}

/** Stops a boot half-way; the loader lets go of its disk. */
export function abandonBoot(guest: Guest): void {
  if (guest.phase.kind !== 'booting') return;
  const { loader } = guest.phase;
  guest.phase = { kind: 'off' };
  loader.return(undefined as never);
}
