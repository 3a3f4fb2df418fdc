/** What a hart allows S-mode, straight from [Priv] "Physical Memory Protection": the brute-force twin of the plan. */
import type { PmpEntry } from '../../src/firmware/index.ts';

const MODE = { off: 0, tor: 1, na4: 2, napot: 3 } as const;
const RWX = 7;

/** Whether an S-mode access of one byte is allowed: the lowest-numbered entry that matches decides. */
export function pmpAllows(entries: readonly PmpEntry[], address: number): boolean {
  let previous = 0n;
  for (const { config, address: pmpaddr } of entries) {
    if (matches(config, pmpaddr, previous, BigInt(address))) return (config & RWX) === RWX;
    previous = pmpaddr;
  }
  return false;
}

function matches(config: number, pmpaddr: bigint, previous: bigint, address: bigint): boolean {
  const word = address >> 2n;
  switch ((config >> 3) & 3) {
    case MODE.tor:
      return previous <= word && word < pmpaddr;
    case MODE.na4:
      return word === pmpaddr;
    case MODE.napot: {
      let ones = 0n;
      while (((pmpaddr >> ones) & 1n) === 1n) ones++;
      return word >> (ones + 1n) === pmpaddr >> (ones + 1n);
    }
    default:
      return false;
  }
}
