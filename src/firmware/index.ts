// The door of the firmware: what the Microvisor and the node use.
export { applyBareBoard, applyBareCsrs, type BareState, bareState, type CsrState, FIRMWARE_PMP } from './bare-state.ts';
export { BootError, type BootErrorCode } from './boot/boot-error.ts';
export { type BoardRom, type LoadedOs, loadOs, type OsToLoad, sideMemory } from './boot/load-os.ts';
export { VIRTIO_MAGIC, VIRTIO_MMIO, VIRTIO_STATUS } from './boot/virtio-mmio.ts';
export { chargedHart } from './charged-hart.ts';
export { consoleLine, consoleReadByte, consoleWriteByte } from './console.ts';
export { COSTS } from './costs.ts';
export {
  CAUSE_INTERRUPT,
  COUNTEREN_CY_TM_IR,
  CSR,
  EXCEPTION,
  INTERRUPT,
  INTERRUPT_CODE,
  MSTATUS,
  WFI_INSTRUCTION,
} from './csr.ts';
export { Firmware, type FirmwareOptions, type ServiceHandler } from './firmware.ts';
export { FIRMWARE_ENTRY } from './layout.ts';
export {
  answerMailbox,
  PENDING,
  POWER,
  pendingAtMachineMode,
  STEER,
  type Steer,
  setDmaRanges,
  setPower,
  steer,
  takeMailboxRequest,
} from './partition.ts';
export { ALL_MEMORY, napot, PMP_CFG, PMP_ENTRIES, PMP_OFF, type PmpEntry, pmpCsrs, writePmp } from './pmp.ts';
export { HART_STATE, HartGroup, type HartStart, type HartState, type RemoteCall, setSsip } from './sbi/hart-group.ts';
export { serveSbi } from './sbi/serve.ts';
export { type ResetType, SBI_ERROR, type SbiGuest, type SbiOutcome, sbiFailure } from './sbi/spec.ts';
export { type OsEntry, startOs } from './start-os.ts';
export type { Pause, Waiting } from './waiting.ts';
