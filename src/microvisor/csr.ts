/**
 * CSR addresses and bits the Microvisor touches beyond the firmware's, under their names in [Priv] "CSR Listing" and the
 * chapter of each CSR.
 */
import { CSR as FIRMWARE_CSR, INTERRUPT as FIRMWARE_INTERRUPT } from '../firmware/csr.ts';

export const CSR = {
  ...FIRMWARE_CSR,
  fcsr: 0x003,
  sstatus: 0x100,
  sie: 0x104,
  sip: 0x144,
  misa: 0x301,
  mcountinhibit: 0x320,
  mscratch: 0x340,
  mtval: 0x343,
  pmpcfg2: 0x3a2,
  mseccfg: 0x747,
  minstret: 0xb02,
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

/** Bits of mip, mie and mideleg: [Priv] "Machine Interrupt (mip and mie) Registers". */
export const INTERRUPT = { ...FIRMWARE_INTERRUPT, MTI: 1n << 7n } as const;

export const S_INTERRUPTS = INTERRUPT.SSI | INTERRUPT.STI | INTERRUPT.SEI;
export const M_INTERRUPTS = INTERRUPT.MSI | INTERRUPT.MTI | INTERRUPT.MEI;

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
