/** [SBI] "Base Extension". */
import { CSR } from '../csr.ts';
import {
  notSupported,
  SBI_SPEC_VERSION,
  type SbiCall,
  type SbiExtension,
  type SbiOutcome,
  sbiSuccess,
} from './spec.ts';

const FUNCTION = {
  getSpecVersion: 0,
  getImplId: 1,
  getImplVersion: 2,
  probeExtension: 3,
  getMvendorid: 4,
  getMarchid: 5,
  getMimpid: 6,
} as const;

/** Not in the list of registered implementations: "MV". */
const IMPLEMENTATION_ID = 0x4d56n;
const IMPLEMENTATION_VERSION = 1n;

/** `supports`: whether an extension id is served. */
export function baseExtension(supports: (id: number) => boolean): SbiExtension {
  return { id: 0x10, name: 'BASE', call: (call) => base(call, supports) };
}

function base({ hart, functionId, args }: SbiCall, supports: (id: number) => boolean): SbiOutcome {
  switch (functionId) {
    case FUNCTION.getSpecVersion:
      return sbiSuccess(SBI_SPEC_VERSION);
    case FUNCTION.getImplId:
      return sbiSuccess(IMPLEMENTATION_ID);
    case FUNCTION.getImplVersion:
      return sbiSuccess(IMPLEMENTATION_VERSION);
    case FUNCTION.probeExtension:
      return sbiSuccess(supports(Number(BigInt.asUintN(32, args[0]))) ? 1n : 0n);
    case FUNCTION.getMvendorid:
      return sbiSuccess(hart.csr(CSR.mvendorid));
    case FUNCTION.getMarchid:
      return sbiSuccess(hart.csr(CSR.marchid));
    case FUNCTION.getMimpid:
      return sbiSuccess(hart.csr(CSR.mimpid));
    default:
      return notSupported();
  }
}
