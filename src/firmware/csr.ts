/** CSR addresses and fields M-mode software works with. Source: [Priv] "CSR Listing" and the chapters of each CSR. */
export const CSR = {
  stvec: 0x105,
  scounteren: 0x106,
  senvcfg: 0x10a,
  sscratch: 0x140,
  sepc: 0x141,
  scause: 0x142,
  stval: 0x143,
  stimecmp: 0x14d,
  satp: 0x180,
  mstatus: 0x300,
  medeleg: 0x302,
  mideleg: 0x303,
  mie: 0x304,
  mtvec: 0x305,
  mcounteren: 0x306,
  menvcfg: 0x30a,
  mscratch: 0x340,
  mepc: 0x341,
  mcause: 0x342,
  mtval: 0x343,
  mip: 0x344,
  pmpcfg0: 0x3a0,
  pmpaddr0: 0x3b0,
  mvendorid: 0xf11,
  marchid: 0xf12,
  mimpid: 0xf13,
} as const;

/** [Priv] "Machine Status (mstatus)". */
export const MSTATUS = {
  MPP: 3n << 11n,
  MPP_S: 1n << 11n,
  MPRV: 1n << 17n,
  TVM: 1n << 20n,
  TW: 1n << 21n,
  TSR: 1n << 22n,
} as const;
/** Fields that restrict S-mode or change M-mode's view of memory: 0 on a bare node. */
export const MSTATUS_M_CONTROLS = MSTATUS.MPRV | MSTATUS.TVM | MSTATUS.TW | MSTATUS.TSR;

/** Interrupt bits of mie, mip and mideleg: [Priv] "Machine Interrupt (mip and mie) Registers". */
export const INTERRUPT = {
  SSI: 1n << 1n,
  MSI: 1n << 3n,
  STI: 1n << 5n,
  MTI: 1n << 7n,
  SEI: 1n << 9n,
  MEI: 1n << 11n,
  /** SSI, STI and SEI. */
  S: 0x222n,
} as const;

/** Trap causes M-mode sees with full delegation; interrupts have bit 63 set. [Priv] "Machine Cause (mcause) Register". */
export const CAUSE = {
  ecallFromS: 9n,
  msi: (1n << 63n) | 3n,
  mei: (1n << 63n) | 11n,
} as const;

/** [Priv] "Machine Environment Configuration": stimecmp belongs to S-mode. */
export const MENVCFG_STCE = 1n << 63n;

/** cycle, time and instret are readable one mode below. [Priv] "Machine Counter-Enable". */
export const COUNTEREN_CY_TM_IR = 7n;

/** Every exception an OS can cause but ecall from S (9) and M (11): [Priv] "Machine Trap Delegation". */
export const MEDELEG_ALL = 0xb1ffn;
export const MIDELEG_S = INTERRUPT.S;
export const ALL_ONES = (1n << 64n) - 1n;

/** Registers of the calling convention. */
export const REG = { a0: 10, a1: 11, a2: 12, a3: 13, a4: 14, a5: 15, a6: 16, a7: 17 } as const;
