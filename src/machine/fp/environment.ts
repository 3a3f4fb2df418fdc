/** Rounding modes and accrued exception flags, as in `fcsr`. Source: [Unpriv] "Floating-Point Control and Status Register". */

/** Encoding of `rm` and `frm`. */
export const ROUNDING = {
  /** To nearest, ties to even. */
  RNE: 0,
  /** Towards zero. */
  RTZ: 1,
  /** Down, towards −∞. */
  RDN: 2,
  /** Up, towards +∞. */
  RUP: 3,
  /** To nearest, ties to maximum magnitude. */
  RMM: 4,
} as const;

export type RoundingMode = (typeof ROUNDING)[keyof typeof ROUNDING];

/** Bits of `fflags`. */
export const FFLAG = {
  /** Inexact. */
  NX: 0x01,
  /** Underflow: tiny after rounding, and inexact. */
  UF: 0x02,
  /** Overflow. */
  OF: 0x04,
  /** Divide by zero. */
  DZ: 0x08,
  /** Invalid operation. */
  NV: 0x10,
} as const;

/** What an operation is given and what it leaves: it rounds by `rm` and only ever sets bits of `flags`. */
export interface FpEnvironment {
  rm: RoundingMode;
  flags: number;
}
