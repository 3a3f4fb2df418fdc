/**
 * A guest that sleeps is its memory, its disk, and where it goes on: nothing of it is in a hart or in a device. Whoever puts
 * the memory into a guest of that side can wake it there. Source: [SBI] "System Suspend Extension".
 */
import { HART_STATE, type HartStart, type Waiting } from '../firmware/index.ts';
import type { MachineModeHart } from '../machine/index.ts';
import { onHarts, virtualizedCalls } from './cross-hart.ts';
import type { Guest, Resume } from './guest.ts';
import { freshContext } from './hart-context.ts';
import { hex } from './partition.ts';
import { quiesceDevices } from './quiesce.ts';
import { Refusal } from './refusal.ts';
import type { ResumePoint } from './status.ts';
import type { VirtualHart } from './virtual-hart.ts';
import type { Virtualized } from './virtualized.ts';

export const resumePoint = ({ hartId, address, opaque }: Resume): ResumePoint => ({
  hart: hartId,
  address: hex(address),
  opaque: hex(opaque),
});

export const resumeOf = ({ hart, address, opaque }: ResumePoint): Resume => ({
  hartId: hart,
  address: BigInt(address),
  opaque: BigInt(opaque),
});

/** The guest has suspended itself on the one hart it ran on; the caller takes it out of that one. */
export function fallAsleep(hart: MachineModeHart, node: Virtualized, virtual: VirtualHart, start: HartStart): void {
  const { guest, hartId } = virtual;
  guest.phase = { kind: 'asleep', resume: { hartId, ...start } };
  guest.sbi.harts.resetHart(hartId);
  quiesceDevices(hart, node.partition, guest.side, [...node.monitors.keys()]);
}

/** @throws Refusal `vm-running`, `bad-hart`, `bad-resume` */
export function checkWakes(guest: Guest, resume: Resume): void {
  const { phase, side } = guest;
  if (guest.isAlive && phase.kind !== 'asleep') throw new Refusal('vm-running', `guest ${side} is ${phase.kind}`);
  if (!guest.harts.has(resume.hartId)) {
    throw new Refusal('bad-hart', `guest ${side} has harts ${[...guest.harts.keys()].join()}, not ${resume.hartId}`);
  }
  if (!guest.sbi.owns(resume.address, 4n)) {
    throw new Refusal('bad-resume', `${hex(resume.address)} is not in the memory of guest ${side}`);
  }
  if (phase.kind !== 'asleep') return;
  const [asked, gave] = [resume, phase.resume].map((each) => JSON.stringify(resumePoint(each)));
  if (asked !== gave) throw new Refusal('bad-resume', `guest ${side} goes on at ${gave}, not at ${asked}`);
}

/**
 * Enters the OS that sleeps in the guest's memory, as one is entered on a hart it starts. The caller has checked it.
 * @throws Refusal `vm-running`
 */
export function* wakeGuest(hart: MachineModeHart, node: Virtualized, guest: Guest, resume: Resume): Waiting<void> {
  for (const virtual of guest.harts.values()) virtual.clear();
  const before = guest.phase;
  yield* onHarts(virtualizedCalls(node), hart, [resume.hartId], (each) => {
    if (guest.phase === before) enter(each, guest, resume);
  });
  // Where that hart had to be waited for: one that is off may be about to reboot.
  if (guest.phase.kind !== 'running') throw new Refusal('vm-running', `guest ${guest.side} is ${guest.phase.kind}`);
}

function enter(hart: MachineModeHart, guest: Guest, resume: Resume): void {
  const virtual = guest.harts.get(resume.hartId);
  if (virtual === undefined) throw new Error(`guest ${guest.side} is woken on hart ${resume.hartId}, not its own`);
  // Its code has been written by others than this hart.
  hart.fenceI();
  virtual.context = freshContext(hart, resume);
  guest.sbi.harts.setState(resume.hartId, HART_STATE.started);
  guest.phase = { kind: 'running' };
  guest.bootError = undefined;
}
