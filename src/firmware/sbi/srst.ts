/** [SBI] "System Reset Extension". */
import { notSupported, type ResetType, SBI_ERROR, type SbiExtension, sbiFailure } from './spec.ts';

const SYSTEM_RESET = 0;
const RESET_TYPES: readonly ResetType[] = ['shutdown', 'cold-reboot', 'warm-reboot'];
/** No reason, system failure. Others are for vendors. */
const REASON_MAX = 1n;

export const srstExtension: SbiExtension = {
  id: 0x5352_5354,
  name: 'SRST',
  call({ hart, guest, functionId, args }) {
    if (functionId !== SYSTEM_RESET) return notSupported();
    const type = RESET_TYPES[Number(BigInt.asUintN(32, args[0]))];
    if (type === undefined || BigInt.asUintN(32, args[1]) > REASON_MAX) return sbiFailure(SBI_ERROR.INVALID_PARAM);
    return guest.reset(hart, type);
  },
};
