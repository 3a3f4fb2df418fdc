import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { PERMISSION, PERMISSION_MACHINE_SHIFT, PMP_INTERVALS_MAX } from '../../../src/machine/hart/layout.ts';
import {
  flattenPmp,
  PMP_ADDRESS_MATCHING,
  PMP_CFG,
  type PmpEntry,
  pmpAllows,
  pmpPermissions,
} from '../../../src/machine/hart/pmp.ts';
import { bareHart, RAM } from './bare-hart.ts';

/** Small numbers, so that regions meet, overlap and nest. */
const entry: fc.Arbitrary<PmpEntry> = fc.record({
  cfg: fc
    .tuple(
      fc.constantFrom(...Object.values(PMP_ADDRESS_MATCHING)),
      fc.constantFrom(0, PMP_CFG.R, PMP_CFG.R | PMP_CFG.W, PMP_CFG.X, PMP_CFG.R | PMP_CFG.W | PMP_CFG.X),
      fc.constantFrom(0, PMP_CFG.L),
    )
    .map(([a, rwx, l]) => a | rwx | l),
  addr: fc.bigInt({ min: 0n, max: 63n }),
});

/** "Physical Memory Protection" read byte by byte. */
function matchesByte(entries: readonly PmpEntry[], i: number, byte: bigint): boolean {
  const { cfg, addr } = entries[i] ?? { cfg: 0, addr: 0n };
  const word = byte >> 2n;
  switch (cfg & PMP_CFG.A) {
    case PMP_ADDRESS_MATCHING.TOR:
      return word >= (i === 0 ? 0n : (entries[i - 1]?.addr ?? 0n)) && word < addr;
    case PMP_ADDRESS_MATCHING.NA4:
      return word === addr;
    case PMP_ADDRESS_MATCHING.NAPOT: {
      let ones = 0n;
      while (((addr >> ones) & 1n) === 1n) ones++;
      return word >> (ones + 1n) === addr >> (ones + 1n);
    }
    default:
      return false;
  }
}

function allowsByHand(
  entries: readonly PmpEntry[],
  address: bigint,
  bytes: number,
  permission: number,
  machine: boolean,
): boolean {
  const all = Array.from({ length: bytes }, (_, b) => address + BigInt(b));
  for (let i = 0; i < entries.length; i++) {
    const matched = all.filter((byte) => matchesByte(entries, i, byte)).length;
    if (matched === 0) continue;
    if (matched < bytes) return false;
    const permissions = pmpPermissions(entries[i]?.cfg ?? 0);
    return ((permissions >> (machine ? PERMISSION_MACHINE_SHIFT : 0)) & permission) !== 0;
  }
  return machine;
}

describe('the flattened PMP', () => {
  test('decides every access as the entries read byte by byte do', () => {
    fc.assert(
      fc.property(
        fc.array(entry, { minLength: 16, maxLength: 16 }),
        fc.bigInt({ min: 0n, max: 270n }),
        fc.constantFrom(1, 2, 4, 8),
        fc.constantFrom(...Object.values(PERMISSION)),
        fc.boolean(),
        (entries, address, bytes, permission, machine) => {
          expect(pmpAllows(flattenPmp(entries), address, bytes, permission, machine)).toBe(
            allowsByHand(entries, address, bytes, permission, machine),
          );
        },
      ),
      { numRuns: 5000 },
    );
  });

  test('covers all addresses in order, in no more intervals than there is room for', () => {
    fc.assert(
      fc.property(fc.array(entry, { minLength: 16, maxLength: 16 }), (entries) => {
        const intervals = flattenPmp(entries);
        expect(intervals.length).toBeLessThanOrEqual(PMP_INTERVALS_MAX);
        let next = 0n;
        for (const interval of intervals) {
          expect(interval.first).toBe(next);
          next = interval.last + 1n;
        }
        expect(next).toBe(1n << 64n);
      }),
    );
  });
});

describe('PMP registers', () => {
  test('a locked entry and the base of a locked TOR range keep their values until reset', () => {
    const h = bareHart('nop');
    h.setCsr('pmpaddr0', 0x10);
    h.setCsr('pmpaddr1', 0x20);
    h.setCsr('pmpcfg0', (PMP_CFG.L | PMP_ADDRESS_MATCHING.TOR | PMP_CFG.R) << 8);
    h.setCsr('pmpaddr0', 0x11);
    h.setCsr('pmpaddr1', 0x21);
    h.setCsr('pmpcfg0', 0);
    expect([h.csr('pmpaddr0'), h.csr('pmpaddr1'), h.csr('pmpcfg0')]).toEqual([0x10n, 0x20n, 0x8900n]);
    h.hart.reset(RAM);
    expect(h.csr('pmpcfg0')).toBe(0n);
  });

  test('the reserved combination W without R loses W', () => {
    const h = bareHart('nop');
    h.setCsr('pmpcfg0', PMP_CFG.W | PMP_ADDRESS_MATCHING.NA4);
    expect(h.csr('pmpcfg0')).toBe(BigInt(PMP_ADDRESS_MATCHING.NA4));
  });

  test('an access that only partly matches a region fails, in M-mode too', () => {
    const h = bareHart(`
      la t0, data
      ld t1, 0(t0)
    after:
      nop
    handler:
      j handler
      .balign 8
    data: .dword 0x1122334455667788
    `);
    // NA4 over the lower half of data, readable by all.
    h.setCsr('pmpaddr0', h.label('data') / 4);
    h.setCsr('pmpcfg0', PMP_ADDRESS_MATCHING.NA4 | PMP_CFG.R);
    h.setCsr('mtvec', h.label('handler'));
    h.runTo('handler');
    expect(h.csr('mcause')).toBe(5n);
    expect(h.csr('mtval')).toBe(BigInt(h.label('data')));
  });
});
