/**
 * What M-mode software is charged, in cycles of a 1 GHz in-order hart (one cycle is one nanosecond of node time). The
 * figures are those of small in-order cores: a trap flushes the pipeline and stores or loads 31 registers, an access to
 * a device crosses the interconnect, a copy moves eight bytes a cycle.
 */
export const COSTS = {
  /** From the trap to the handler: flush, save of 31 registers, dispatch on the cause. */
  trapEntry: 60,
  /** Restore of 31 registers and `mret`. */
  trapExit: 50,
  csrRead: 3,
  csrWrite: 6,
  /** One load or store of a device register. */
  mmioAccess: 60,
  memoryAccess: 3,
  /** Copy: a start, then bytes in a cycle. */
  copyStart: 10,
  copyBytesPerCycle: 8,
  fenceVma: 40,
  fenceI: 40,
} as const;
