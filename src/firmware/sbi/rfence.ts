/** [SBI] "RFENCE Extension". Long ranges are widened to all addresses, which the spec allows. */
import { executeFence, FENCED_PAGE_BYTES, type RemoteFence } from './hart-group.ts';
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

/** Beyond so many pages one fence for all is cheaper. */
const FENCED_PAGES_MAX = 64;
const SIZE_ALL = (1n << 64n) - 1n;

export const rfenceExtension: SbiExtension = { id: 0x5246_4e43, name: 'RFNC', call: remoteFence };

function remoteFence({ hart, guest, functionId, args }: SbiCall): SbiOutcome {
  const fence = fenceOf(functionId, args);
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

/** undefined: functions 3 to 6 fence a hypervisor's guests, not without the H extension. */
function fenceOf(functionId: number, [, , start, size, asid]: SbiCall['args']): RemoteFence | undefined {
  switch (functionId) {
    case 0:
      return { kind: 'fence.i' };
    case 1:
      return { kind: 'sfence.vma', asid: undefined, ...rangeOf(start, size) };
    case 2:
      return { kind: 'sfence.vma', asid, ...rangeOf(start, size) };
    default:
      return undefined;
  }
}

/** "start_addr and size are both 0" or "size is equal to 2^XLEN-1": all addresses. */
function rangeOf(start: bigint, size: bigint): { readonly start: bigint; readonly pages: number | undefined } {
  const isAll = (start === 0n && size === 0n) || size === SIZE_ALL;
  const pageBytes = BigInt(FENCED_PAGE_BYTES);
  const pages = ((start % pageBytes) + size + pageBytes - 1n) / pageBytes;
  return { start, pages: isAll || pages > BigInt(FENCED_PAGES_MAX) ? undefined : Number(pages) };
}
