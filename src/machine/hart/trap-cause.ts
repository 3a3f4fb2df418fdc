/** Causes as in mcause and scause. Source: [Priv] "Machine Cause Register (mcause)". */
export const CAUSE = {
  instructionMisaligned: 0,
  instructionAccess: 1,
  illegalInstruction: 2,
  breakpoint: 3,
  loadMisaligned: 4,
  loadAccess: 5,
  storeMisaligned: 6,
  storeAccess: 7,
  ecallFromUser: 8,
  ecallFromSupervisor: 9,
  ecallFromMachine: 11,
  instructionPage: 12,
  loadPage: 13,
  storePage: 15,
} as const;

/** Interrupt numbers: bits of mip and mie. */
export const INTERRUPT = { SSI: 1, MSI: 3, STI: 5, MTI: 7, SEI: 9, MEI: 11 } as const;

/** mcause has the top bit of 64 set for interrupts; counters fold it to bit 31. */
export const INTERRUPT_FLAG = 0x8000_0000;
