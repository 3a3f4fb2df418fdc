/**
 * The Supervisor Binary Interface between an OS and M-mode software, version 2.0. Source: [SBI] "Binary Encoding".
 * Function in a6, extension in a7, arguments in a0..a5; a0 returns the error, a1 the value, every other register stays.
 */
import type { MachineModeHart } from '../../machine/index.ts';
import type { HartGroup, HartStart } from './hart-group.ts';

export const SBI_SPEC_VERSION = 0x0200_0000n;

export const SBI_ERROR = {
  SUCCESS: 0n,
  FAILED: -1n,
  NOT_SUPPORTED: -2n,
  INVALID_PARAM: -3n,
  DENIED: -4n,
  INVALID_ADDRESS: -5n,
  ALREADY_AVAILABLE: -6n,
} as const;

export type SbiError = (typeof SBI_ERROR)[keyof typeof SBI_ERROR];

export type SbiOutcome =
  | { readonly kind: 'return'; readonly error: SbiError; readonly value: bigint }
  /** Returns success once `until` is true: ask again whenever the hart is woken. */
  | { readonly kind: 'wait'; readonly until: () => boolean }
  /** Returns success when the hart is interrupted, or before. */
  | { readonly kind: 'suspend' }
  /** The call does not return. */
  | { readonly kind: 'hart-stopped' | 'guest-shutdown' | 'guest-reboot' }
  /** Nor does this one: the OS goes on at `resume` when it is woken. */
  | { readonly kind: 'guest-suspend'; readonly resume: HartStart };

export const sbiSuccess = (value = 0n): SbiOutcome => ({ kind: 'return', error: SBI_ERROR.SUCCESS, value });
export const sbiFailure = (error: SbiError): SbiOutcome => ({ kind: 'return', error, value: 0n });
export const notSupported = (): SbiOutcome => sbiFailure(SBI_ERROR.NOT_SUPPORTED);

/** [SBI] "System Reset Extension": types 0, 1 and 2. */
export type ResetType = 'shutdown' | 'cold-reboot' | 'warm-reboot';

/** What the calls of one OS act on; all that differs between a bare node and a guest of the Microvisor. */
export interface SbiGuest {
  readonly harts: HartGroup;
  /** Whether memory the guest names is the guest's. */
  owns(address: bigint, bytes: bigint): boolean;
  readonly console: {
    writeByte(hart: MachineModeHart, byte: number): boolean;
    readByte(hart: MachineModeHart): number | undefined;
  };
  /** The guest powers off or reboots itself: the outcome says what the calling hart does now. */
  reset(hart: MachineModeHart, type: ResetType): SbiOutcome;
  /** The guest, whose other harts are stopped, would sleep until somebody wakes it: denied where nobody would. */
  suspend(resume: HartStart): SbiOutcome;
}

/** One call: function number and arguments as the OS passed them. */
export interface SbiCall {
  readonly hart: MachineModeHart;
  readonly guest: SbiGuest;
  readonly functionId: number;
  /** a0..a5 */
  readonly args: readonly [bigint, bigint, bigint, bigint, bigint, bigint];
}

export interface SbiExtension {
  readonly id: number;
  readonly name: string;
  call(call: SbiCall): SbiOutcome;
}
