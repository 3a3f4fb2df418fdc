// The door of the Microvisor: the M-mode program, and how the node speaks to it.
export type { SideAccount } from './account-book.ts';
export { MonitorBank } from './bank.ts';
export { captureMachineState, differences, type MachineState, type StateDifference } from './machine-state.ts';
export { MICROVISOR_ENTRIES, Microvisor, type MicrovisorOptions } from './microvisor.ts';
export { type OwnedRegion, type Owner, otherSide, type SlotName } from './partition.ts';
export {
  type ControlOperation,
  type ControlRequest,
  type ControlResponse,
  decodeResponse,
  encodeRequest,
} from './protocol.ts';
export type { RefusalCode } from './refusal.ts';
export { FIRST_RELEASE, RELEASES, type Release } from './release.ts';
export type { GuestStatus, MicrovisorStatus, ResumePoint } from './status.ts';
