/** Floating-point instructions by their exact form: what the native path is not certain about. */
import type { RoundingMode } from '../fp/soft-float.ts';
import type { Decoded } from '../isa/decode.ts';
import { writesInteger } from './handlers.ts';
import type { HartControl } from './hart-control.ts';
import { MSTATUS } from './mstatus.ts';
import { CAUSE } from './trap-cause.ts';

const DYNAMIC = 7;
const RMM = 4;

/** True when it was executed; false after an illegal-instruction trap (FS off, reserved rounding mode). */
export function executeExactly(control: HartControl, { row, operands }: Decoded, word: number): boolean {
  const hasRounding = row.operands.some((o) => o.kind === 'rm');
  const rm = !hasRounding ? 0 : operands.rm === DYNAMIC ? control.float.frm : operands.rm;
  if ((control.mstatus & MSTATUS.FS) === 0 || rm > RMM || row.exact === undefined) {
    control.takeException(CAUSE.illegalInstruction, BigInt(word >>> 0));
    return false;
  }
  const { x, f } = control.area;
  const env = { rm: rm as RoundingMode, flags: 0 };
  const result = BigInt.asUintN(
    64,
    row.exact({
      frs1: f[operands.rs1] ?? 0n,
      frs2: f[operands.rs2] ?? 0n,
      frs3: f[operands.rs3] ?? 0n,
      rs1: x[operands.rs1] ?? 0n,
      env,
    }),
  );
  if (writesInteger(row)) {
    if (operands.rd !== 0) x[operands.rd] = result;
  } else {
    f[operands.rd] = result;
    control.float.dirty();
  }
  if ((env.flags & ~control.float.fflags) !== 0) control.float.fflags |= env.flags;
  return true;
}
