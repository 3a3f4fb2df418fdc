/** [SBI] "RFENCE Extension". Address ranges and ASIDs are widened to a full fence, which the spec allows. */
import { executeFence, type RemoteFence } from './hart-group.ts';
import { hartsOfMask } from './hart-mask.ts';
import {
  notSupported,
  SBI_ERROR,
  type SbiCall,
  type SbiExtension,
  type SbiOutcome,
  sbiFailure,
  sbiSuccess,
} from './spec.ts';

/** Functions 3 to 6 fence a hypervisor's guests: not without the H extension. */
const FENCE_OF_FUNCTION: Readonly<Record<number, RemoteFence>> = { 0: 'fence.i', 1: 'sfence.vma', 2: 'sfence.vma' };

export const rfenceExtension: SbiExtension = { id: 0x5246_4e43, name: 'RFNC', call: remoteFence };

function remoteFence({ hart, guest, functionId, args }: SbiCall): SbiOutcome {
  const fence = FENCE_OF_FUNCTION[functionId];
  if (fence === undefined) return notSupported();
  const targets = hartsOfMask(guest.harts, args[0], args[1]);
  if (targets === undefined) return sbiFailure(SBI_ERROR.INVALID_PARAM);

  const caller = hart.hartId;
  let outstanding = 0;
  for (const target of targets) {
    if (target === caller) {
      executeFence(hart, fence);
      continue;
    }
    outstanding += 1;
    const done: (other: typeof hart) => void = (other) => {
      outstanding -= 1;
      guest.harts.post(other, caller, { kind: 'wake' });
    };
    guest.harts.post(hart, target, { kind: 'fence', fence, done });
  }
  return outstanding === 0 ? sbiSuccess() : { kind: 'wait', until: () => outstanding === 0 };
}
