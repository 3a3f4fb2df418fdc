import type { HartGroup } from './hart-group.ts';

const MASK_BITS = 64n;
const EVERY_HART = (1n << MASK_BITS) - 1n;

/**
 * The started harts a call names by hart_mask and hart_mask_base; base -1 means all. Undefined when one of them is not a
 * hart of the guest. Source: [SBI] "Hart list parameter".
 */
export function hartsOfMask(harts: HartGroup, mask: bigint, base: bigint): readonly number[] | undefined {
  if (base === EVERY_HART) return harts.started();
  const named: number[] = [];
  for (let bit = 0n; bit < MASK_BITS; bit++) {
    if (((mask >> bit) & 1n) === 0n) continue;
    const hartId = Number(base + bit);
    if (harts.state(hartId) === undefined) return undefined;
    named.push(hartId);
  }
  const started = harts.started();
  return named.filter((id) => started.includes(id));
}
