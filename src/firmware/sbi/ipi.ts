/** [SBI] "IPI Extension". */
import { setSsip } from './hart-group.ts';
import { hartsOfMask } from './hart-mask.ts';
import { notSupported, SBI_ERROR, type SbiExtension, sbiFailure, sbiSuccess } from './spec.ts';

const SEND_IPI = 0;

export const ipiExtension: SbiExtension = {
  id: 0x73_5049,
  name: 'sPI',
  call({ hart, guest, functionId, args }) {
    if (functionId !== SEND_IPI) return notSupported();
    const targets = hartsOfMask(guest.harts, args[0], args[1]);
    if (targets === undefined) return sbiFailure(SBI_ERROR.INVALID_PARAM);
    for (const target of targets) {
      if (target === hart.hartId) setSsip(hart, true);
      else guest.harts.post(hart, target, { kind: 'ipi' });
    }
    return sbiSuccess();
  },
};
