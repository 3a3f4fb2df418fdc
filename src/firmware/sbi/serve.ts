import type { MachineModeHart } from '../../machine/index.ts';
import { CSR, REG } from '../csr.ts';
import { baseExtension } from './base.ts';
import { dbcnExtension } from './dbcn.ts';
import { hsmExtension } from './hsm.ts';
import { ipiExtension } from './ipi.ts';
import { rfenceExtension } from './rfence.ts';
import { notSupported, type SbiExtension, type SbiGuest, type SbiOutcome } from './spec.ts';
import { srstExtension } from './srst.ts';
import { suspExtension } from './susp.ts';
import { timerExtension } from './timer.ts';

const EXTENSIONS: ReadonlyMap<number, SbiExtension> = new Map(
  [
    baseExtension((id) => EXTENSIONS.has(id)),
    timerExtension,
    ipiExtension,
    rfenceExtension,
    hsmExtension,
    srstExtension,
    suspExtension,
    dbcnExtension,
  ].map((extension) => [extension.id, extension]),
);

const ECALL_BYTES = 4n;

/**
 * Serves the `ecall` from S-mode that the hart is in, on behalf of `guest`. For `return`, `wait` and `suspend` the result is in a0
 * and a1 and mepc is behind the `ecall` already: a hart that waits only has to stay in M-mode until `until()`. For the
 * other outcomes no register has changed.
 */
export function serveSbi(hart: MachineModeHart, guest: SbiGuest): SbiOutcome {
  const extension = EXTENSIONS.get(Number(BigInt.asUintN(32, hart.x(REG.a7))));
  const outcome =
    extension?.call({
      hart,
      guest,
      functionId: Number(BigInt.asUintN(32, hart.x(REG.a6))),
      args: [hart.x(REG.a0), hart.x(REG.a1), hart.x(REG.a2), hart.x(REG.a3), hart.x(REG.a4), hart.x(REG.a5)],
    }) ?? notSupported();
  if (outcome.kind === 'return') leaveEcall(hart, outcome.error, outcome.value);
  else if (outcome.kind === 'wait' || outcome.kind === 'suspend') leaveEcall(hart, 0n, 0n);
  return outcome;
}

function leaveEcall(hart: MachineModeHart, error: bigint, value: bigint): void {
  hart.setX(REG.a0, BigInt.asUintN(64, error));
  hart.setX(REG.a1, BigInt.asUintN(64, value));
  hart.setCsr(CSR.mepc, hart.csr(CSR.mepc) + ECALL_BYTES);
}
