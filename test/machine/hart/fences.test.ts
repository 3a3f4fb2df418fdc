/** Translations that are kept, and what makes the hart forget them. Source: [Priv] "Supervisor Memory-Management Fence Instruction". */
import { describe, expect, test } from 'vitest';
import { TLB_ENTRIES } from '../../../src/machine/hart/layout.ts';
import { type BareHart, bareHart, RAM } from './bare-hart.ts';

const PAGE = 0x1000;
const MEGAPAGE = 0x20_0000;
const GIGAPAGE = 0x4000_0000;
const RAM_BYTES = 0x80_0000;
const VALID_RWX_AD = 0xcf;
const SV39 = 8n << 60n;
/** MPRV, with MPP = S: loads and stores of the M-mode program are translated. */
const LOAD_AS_SUPERVISOR = 0x2_0800;
const RWX_EVERYWHERE = 0x1f;
const VPN_MASK = 0x1ffn;

const PROGRAM = `
  loads:
    ld a0, 0(a1)
    j loads
  fence_all:
    sfence.vma zero, zero
    j loads
  fence_address:
    sfence.vma a1, zero
    j loads
  fence_space:
    sfence.vma zero, a2
    j loads
  fence_address_of_space:
    sfence.vma a1, a2
    j loads
  switches:
    csrw satp, a3
    j loads
`;

interface Space {
  readonly satp: bigint;
  readonly asid: bigint;
  readonly root: number;
}

class Node {
  readonly hart: BareHart = bareHart(PROGRAM, { ramBytes: RAM_BYTES });
  #freePage = RAM + 0x10_0000;

  constructor() {
    this.hart.setCsr('pmpaddr0', (1n << 54n) - 1n);
    this.hart.setCsr('pmpcfg0', RWX_EVERYWHERE);
  }

  page(): number {
    this.#freePage += PAGE;
    return this.#freePage - PAGE;
  }

  /** A page that holds `value`. */
  holding(value: bigint): number {
    const page = this.page();
    this.hart.store64(page, value);
    return page;
  }

  space(asid: bigint): Space {
    const root = this.page();
    return { asid, root, satp: SV39 | (asid << 44n) | (BigInt(root) >> 12n) };
  }

  /** Maps a page, or with another size a superpage. */
  map({ root }: Space, address: bigint, to: number, bytes = PAGE): void {
    let table = root;
    for (let shift = 30n; ; shift -= 9n) {
      const entry = table + 8 * Number((address >> shift) & VPN_MASK);
      if (1n << shift === BigInt(bytes)) {
        this.hart.store64(entry, (BigInt(to) >> 2n) | BigInt(VALID_RWX_AD));
        return;
      }
      const known = this.hart.load64(entry);
      table = known === 0n ? this.page() : Number(known >> 10n) * PAGE;
      this.hart.store64(entry, (BigInt(table) >> 2n) | 1n);
    }
  }

  switchTo({ satp }: Space): void {
    this.hart.setX('a3', satp);
    this.#run('switches');
  }

  load(address: bigint): bigint {
    this.hart.setX('a1', BigInt.asUintN(64, address));
    // A trap of the load before has made MPP M.
    this.hart.setCsr('mstatus', LOAD_AS_SUPERVISOR);
    this.#run('loads');
    return this.hart.x('a0');
  }

  fence(which: { readonly address?: bigint; readonly space?: Space } = {}): void {
    this.hart.setX('a1', BigInt.asUintN(64, which.address ?? 0n));
    this.hart.setX('a2', which.space?.asid ?? 0n);
    const of = which.space === undefined ? '' : 'space';
    if (which.address === undefined) this.#run(of === '' ? 'fence_all' : 'fence_space');
    else this.#run(of === '' ? 'fence_address' : 'fence_address_of_space');
  }

  #run(label: string): void {
    this.hart.hart.pc = BigInt(this.hart.label(label));
    this.hart.run(1);
  }
}

const HERE = 0x40_0000n;
const THERE = 0x41_3000n;
const KERNEL = -0x2000_0000n;

/** Two address spaces that map HERE and THERE to pages of 1 to 4, loaded once; then both are remapped to 11 to 14. */
function remapped(here = HERE, there = THERE) {
  const node = new Node();
  const [a, b] = [node.space(1n), node.space(0xfffen)];
  const places = [a, b].flatMap((space) => [here, there].map((address) => ({ space, address })));
  for (const [i, { space, address }] of places.entries()) node.map(space, address, node.holding(BigInt(i + 1)));
  const loads = (): bigint[] =>
    places.map(({ space, address }) => {
      node.switchTo(space);
      return node.load(address);
    });
  expect(loads()).toEqual([1n, 2n, 3n, 4n]);
  for (const [i, { space, address }] of places.entries()) node.map(space, address, node.holding(BigInt(i + 11)));
  return { node, a, b, loads };
}

describe('sfence.vma', () => {
  test('without operands is for all addresses of all address spaces', () => {
    const { node, loads } = remapped();
    node.fence();
    expect(loads()).toEqual([11n, 12n, 13n, 14n]);
  });

  test('until one comes, a hart goes on with what it has translated, whatever satp was in between', () => {
    const { loads } = remapped();
    expect(loads()).toEqual([1n, 2n, 3n, 4n]);
  });

  test.each([
    ['of the lower half', HERE, THERE],
    ['of the upper half', KERNEL, KERNEL + 0x5000n],
    ['that share their place in the TLB with others', HERE, HERE + BigInt(TLB_ENTRIES * PAGE)],
  ])('with an address is for its page in all address spaces: addresses %s', (_, here, there) => {
    const { node, loads } = remapped(here, there);
    node.fence({ address: here + 0x123n });
    const [hereA, , hereB] = loads();
    expect([hereA, hereB]).toEqual([11n, 13n]);
  });

  test('with an address leaves other pages alone', () => {
    const { node, loads } = remapped();
    node.fence({ address: HERE });
    expect(loads()).toEqual([11n, 2n, 13n, 4n]);
  });

  test('with an ASID is for one address space', () => {
    const { node, b, loads } = remapped();
    node.fence({ space: b });
    expect(loads()).toEqual([1n, 2n, 13n, 14n]);
  });

  test('with an address and an ASID is for the page in one address space', () => {
    const { node, a, loads } = remapped();
    node.fence({ address: THERE, space: a });
    expect(loads()).toEqual([1n, 12n, 3n, 4n]);
  });

  test.each([
    ['2 MiB', MEGAPAGE, HERE],
    ['2 MiB in the upper half', MEGAPAGE, KERNEL],
    ['1 GiB', GIGAPAGE, 0x8000_0000n],
    ['1 GiB in the upper half', GIGAPAGE, -0x8000_0000n],
  ])('with any address in a superpage of %s forgets all of it', (_, bytes, address) => {
    const node = new Node();
    const space = node.space(3n);
    node.map(space, address, RAM, bytes);
    node.switchTo(space);
    const offsets = [0x18_0000, 0x19_5000];
    for (const offset of offsets) node.hart.store64(RAM + offset, 7n);
    const loads = (): bigint[] => offsets.map((offset) => node.load(address + BigInt(offset)));
    expect(loads()).toEqual([7n, 7n]);
    // To where nothing is, so that a load that sees it traps and leaves a0 alone.
    node.map(space, address, 2 * GIGAPAGE + GIGAPAGE, bytes);
    node.fence({ address: address + 0x1f_f000n });
    node.hart.setX('a0', 99);
    expect(loads()).toEqual([99n, 99n]);
  });

  test('is seen by the fetch of the next instruction', () => {
    const node = new Node();
    const space = node.space(5n);
    const code = 0x50_0000n;
    const [before, after] = [node.page(), node.page()];
    // sfence.vma a1, zero; addi a0, a0, 1 becomes addi a0, a0, 2.
    for (const [page, addition] of [
      [before, 1n],
      [after, 2n],
    ] as const) {
      node.hart.store64(page, 0x1205_8073n | ((0x0005_0513n | (addition << 20n)) << 32n));
    }
    node.map(space, code, before);
    node.switchTo(space);
    node.hart.setCsr('mepc', code);
    node.hart.setCsr('mstatus', 0x800);
    node.hart.setX('a0', 0);
    node.hart.setX('a1', code);
    node.hart.hart.mret();
    node.map(space, code, after);
    node.hart.run(2);
    expect(node.hart.x('a0')).toBe(2n);
  });
});

describe('an address space', () => {
  test('is told from others by root table and ASID, of which satp holds all 16 bits', () => {
    const node = new Node();
    const [a, b] = [node.space(0xffffn), node.space(0xffffn)];
    node.map(a, HERE, node.holding(1n));
    node.map(b, HERE, node.holding(2n));
    node.switchTo(a);
    expect(node.hart.csr('satp')).toBe(a.satp);
    expect(node.load(HERE)).toBe(1n);
    node.switchTo(b);
    expect(node.load(HERE)).toBe(2n);
  });

  test('is right again when many others were in use meanwhile', () => {
    const node = new Node();
    const spaces = Array.from({ length: 40 }, (_, i) => node.space(BigInt(i)));
    for (const [i, space] of spaces.entries()) node.map(space, HERE, node.holding(BigInt(i)));
    const loads = (): bigint[] =>
      spaces.map((space) => {
        node.switchTo(space);
        return node.load(HERE);
      });
    expect(loads()).toEqual(spaces.map((_, i) => BigInt(i)));
    for (const [i, space] of spaces.entries()) node.map(space, HERE, node.holding(BigInt(100 + i)));
    node.fence({ address: HERE });
    expect(loads()).toEqual(spaces.map((_, i) => BigInt(100 + i)));
  });
});

test('a change of the PMP needs no fence, back and forth', () => {
  const node = new Node();
  const space = node.space(1n);
  node.map(space, HERE, node.holding(1n));
  node.switchTo(space);
  expect(node.load(HERE)).toBe(1n);
  const allowed = (): boolean => {
    node.hart.setX('a0', 99);
    return node.load(HERE) === 1n;
  };
  for (const isAllowed of [false, true, false, true]) {
    node.hart.setCsr('pmpcfg0', isAllowed ? RWX_EVERYWHERE : 0);
    expect(allowed()).toBe(isAllowed);
  }
});
