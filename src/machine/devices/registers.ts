/** Access to registers that may be reached in halves. */
import type { AccessBytes } from '../door.ts';

/** `bytes` bytes at `offset` (0..7) of a 64-bit register. */
export function readPart64(register: bigint, offset: number, bytes: AccessBytes): bigint {
  return BigInt.asUintN(bytes * 8, register >> BigInt(offset * 8));
}

/** The 64-bit register after `bytes` bytes at `offset` (0..7) of it were written. */
export function writePart64(register: bigint, offset: number, bytes: AccessBytes, value: bigint): bigint {
  const shift = BigInt(offset * 8);
  const mask = ((1n << BigInt(bytes * 8)) - 1n) << shift;
  return BigInt.asUintN(64, (register & ~mask) | ((value << shift) & mask));
}
