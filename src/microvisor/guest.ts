/** An OS instance: its vCPU when it isn't in the hart, its SBI, how far its boot is, and its account. */
import type { LoadedOs } from '../firmware/boot/load-os.ts';
import { consoleReadByte, consoleWriteByte } from '../firmware/console.ts';
import { HART_STATE, HartGroup } from '../firmware/sbi/hart-group.ts';
import type { SbiGuest } from '../firmware/sbi/spec.ts';
import type { Waiting } from '../firmware/waiting.ts';
import type { Side } from '../machine/index.ts';
import { GuestAccount } from './guest-account.ts';
import type { HartContext } from './hart-context.ts';
import { ownsMemory, type Partition } from './partition.ts';

/** What a guest that does not run waits for. */
export type Wait =
  /** At a `wfi`: pc is on it, so that it can still be executed by the hart itself. */
  | { readonly kind: 'wfi' }
  /** In an SBI call that has yet to return; pc is behind it. */
  | { readonly kind: 'sbi'; readonly until: () => boolean };

export type GuestPhase =
  | { readonly kind: 'created' }
  /** M-mode loads its OS from its disk; `waits`: for the disk. */
  | { readonly kind: 'booting'; readonly loader: Waiting<LoadedOs>; readonly waits: boolean }
  | { readonly kind: 'running' }
  | { readonly kind: 'off' };

export class Guest {
  readonly side: Side;
  readonly sbi: SbiGuest;
  readonly account = new GuestAccount();
  phase: GuestPhase;
  wait: Wait | undefined;
  /** Its state while another is in the hart. */
  context: HartContext | undefined;
  /** Since when it could run and does not, in ticks. */
  runnableSince: number | undefined;
  /** How many times its OS was loaded; the one it was virtualized with counts. */
  boots: number;
  bootError: { readonly code: string; readonly message: string } | undefined;

  constructor(side: Side, phase: GuestPhase, hartIds: readonly number[], partition: () => Partition) {
    this.side = side;
    this.phase = phase;
    this.boots = phase.kind === 'running' ? 1 : 0;
    const harts = new HartGroup(hartIds);
    if (phase.kind === 'running') for (const id of hartIds) harts.setState(id, HART_STATE.started);
    this.sbi = {
      harts,
      owns: (address, bytes) => ownsMemory(partition(), side, Number(address), Number(bytes)),
      console: {
        writeByte: (hart, byte) => consoleWriteByte(hart, side, byte),
        readByte: (hart) => consoleReadByte(hart, side),
      },
      reset: (_hart, type) => ({ kind: type === 'shutdown' ? 'guest-shutdown' : 'guest-reboot' }),
    };
  }

  /** It has, or will have when it wakes, an OS. */
  get isAlive(): boolean {
    return this.phase.kind !== 'created' && this.phase.kind !== 'off';
  }
}
