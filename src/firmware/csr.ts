/** CSR addresses and fields M-mode software works with. Source: [Priv] "CSR Listing" and the chapters of each CSR. */
export const CSR = {
  fcsr: 0x003,
  sstatus: 0x100,
  sie: 0x104,
  stvec: 0x105,
  scounteren: 0x106,
  senvcfg: 0x10a,
  sscratch: 0x140,
  sepc: 0x141,
  scause: 0x142,
  stval: 0x143,
  sip: 0x144,
  stimecmp: 0x14d,
  satp: 0x180,
  mstatus: 0x300,
  misa: 0x301,
  medeleg: 0x302,
  mideleg: 0x303,
  mie: 0x304,
  mtvec: 0x305,
  mcounteren: 0x306,
  menvcfg: 0x30a,
  mcountinhibit: 0x320,
  mscratch: 0x340,
  mepc: 0x341,
  mcause: 0x342,
  mtval: 0x343,
  mip: 0x344,
  pmpcfg0: 0x3a0,
  pmpcfg2: 0x3a2,
  pmpaddr0: 0x3b0,
  mseccfg: 0x747,
  minstret: 0xb02,
  /** Time the hart has spent in WFIs, in cycles of the data sheet's 1 GHz. */
  mhpmcounter3: 0xb03,
  mvendorid: 0xf11,
  marchid: 0xf12,
  mimpid: 0xf13,
} as const;

/** [Priv] "Machine Status (mstatus and mstatush) Registers". */
export const MSTATUS = {
  SIE: 1n << 1n,
  SPIE: 1n << 5n,
  UBE: 1n << 6n,
  SPP: 1n << 8n,
  VS: 3n << 9n,
  MPP: 3n << 11n,
  MPP_S: 1n << 11n,
  FS: 3n << 13n,
  XS: 3n << 15n,
  MPRV: 1n << 17n,
  SUM: 1n << 18n,
  MXR: 1n << 19n,
  TVM: 1n << 20n,
  TW: 1n << 21n,
  TSR: 1n << 22n,
  UXL: 3n << 32n,
  SBE: 1n << 36n,
  MBE: 1n << 37n,
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
  /** MSI, MTI and MEI. */
  M: 0x888n,
} as const;

/** Exception codes: [Priv] "Machine Cause (mcause) Register". */
export const EXCEPTION = {
  instructionAccessFault: 1,
  illegalInstruction: 2,
  loadAccessFault: 5,
  storeAccessFault: 7,
  ecallFromS: 9,
} as const;

/** Bit 63 of mcause: the trap is an interrupt. */
export const CAUSE_INTERRUPT = 1n << 63n;

/** [Priv] "Machine Cause (mcause) Register": codes of M-mode interrupts. */
export const INTERRUPT_CODE = { MSI: 3, MTI: 7, MEI: 11 } as const;

/** `wfi`: [Priv] "Wait for Interrupt". */
export const WFI_INSTRUCTION = 0x1050_0073n;

/** Trap causes M-mode sees with full delegation; interrupts have bit 63 set. [Priv] "Machine Cause (mcause) Register". */
export const CAUSE = {
  ecallFromS: BigInt(EXCEPTION.ecallFromS),
  msi: CAUSE_INTERRUPT | BigInt(INTERRUPT_CODE.MSI),
  mei: CAUSE_INTERRUPT | BigInt(INTERRUPT_CODE.MEI),
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
