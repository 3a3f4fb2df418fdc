/**
 * What the Microvisor is charged beyond the operations of any M-mode software (firmware/costs.ts), in cycles of the
 * 1 GHz hart of the data sheet. General registers cost nothing here: the frame a trap fills is the guest's saved
 * context, so that a world switch only changes which frame is read back (COSTS.trapEntry, COSTS.trapExit).
 */
export const MICROVISOR_COSTS = {
  /** A floating-point register stored to or loaded from a context. */
  floatRegister: 1,
  /** Straight-line decisions of one pass through the scheduler. */
  schedule: 30,
  /** Decoding or encoding one byte of a request or response. */
  mailboxByte: 4,
} as const;
