/** Fields of mstatus, all in its low word except UXL, SXL and SD. Source: [Priv] "Machine Status Registers". */
export const MSTATUS = {
  SIE: 1 << 1,
  MIE: 1 << 3,
  SPIE: 1 << 5,
  MPIE: 1 << 7,
  SPP: 1 << 8,
  MPP: 3 << 11,
  FS: 3 << 13,
  MPRV: 1 << 17,
  SUM: 1 << 18,
  MXR: 1 << 19,
  TVM: 1 << 20,
  TW: 1 << 21,
  TSR: 1 << 22,
} as const;

export const MPP_SHIFT = 11;
export const SPP_SHIFT = 8;
export const FS_SHIFT = 13;
export const FS_DIRTY = 3;

/** UXL = SXL = 2: 64 bits, read only. */
const MSTATUS_XL = (2n << 32n) | (2n << 34n);
export const SSTATUS_UXL = 2n << 32n;
export const MSTATUS_SD = 1n << 63n;

export const MSTATUS_WRITABLE =
  MSTATUS.SIE |
  MSTATUS.MIE |
  MSTATUS.SPIE |
  MSTATUS.MPIE |
  MSTATUS.SPP |
  MSTATUS.MPP |
  MSTATUS.FS |
  MSTATUS.MPRV |
  MSTATUS.SUM |
  MSTATUS.MXR |
  MSTATUS.TVM |
  MSTATUS.TW |
  MSTATUS.TSR;

export const SSTATUS_WRITABLE = MSTATUS.SIE | MSTATUS.SPIE | MSTATUS.SPP | MSTATUS.FS | MSTATUS.SUM | MSTATUS.MXR;

/** SD says that FS is dirty. */
const sd = (low: number): bigint => (((low >> FS_SHIFT) & 3) === FS_DIRTY ? MSTATUS_SD : 0n);

export const mstatusValue = (low: number): bigint => BigInt(low >>> 0) | MSTATUS_XL | sd(low);
export const sstatusValue = (low: number): bigint => BigInt((low & SSTATUS_WRITABLE) >>> 0) | SSTATUS_UXL | sd(low);

/** mstatus after a write of `value` to the fields of `mask`. MPP = 2 is no mode: the old one stays. */
export function writeMstatus(old: number, value: number, mask: number): number {
  let written = (old & ~mask) | (value & mask);
  if ((written & MSTATUS.MPP) >> MPP_SHIFT === 2) written = (written & ~MSTATUS.MPP) | (old & MSTATUS.MPP);
  return written;
}
