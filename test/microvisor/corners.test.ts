/** Every instruction that accesses memory, at every kind of place that is not the guest's, at its borders and across them. */
import { describe, expect, it } from 'vitest';
import {
  ACLINT,
  FIRMWARE_MEMORY,
  PARTITION_CONTROLLER,
  PARTITION_REGISTERS,
  SIDE_IO,
  SIDE_IO_BASE,
  slotBase,
} from '../../src/machine/index.ts';
import { checksum, ticker } from './tiny-guests.ts';
import { BOARD, resultsOf, TinyNode } from './tiny-node.ts';

/** The address is in a0; what is stored in a2 and fa2, where loads go as well. */
const LOADS = [
  ...['lb', 'lh', 'lw', 'ld', 'lbu', 'lhu', 'lwu'].map((name) => `${name} a2, 0(a0)`),
  ...['flw', 'fld'].map((name) => `${name} fa2, 0(a0)`),
  ...['lr.w', 'lr.d'].map((name) => `${name} a2, (a0)`),
  // c.lw, c.ld, c.fld, each before a c.nop.
  ...['.word 0x14110', '.word 0x16110', '.word 0x12110'],
];
const STORES = [
  ...['sb', 'sh', 'sw', 'sd'].map((name) => `${name} a2, 0(a0)`),
  ...['fsw', 'fsd'].map((name) => `${name} fa2, 0(a0)`),
  ...['sc.w', 'sc.d'].map((name) => `${name} a3, a2, (a0)`),
  ...['swap', 'add', 'and', 'or', 'xor', 'max', 'min', 'maxu', 'minu'].flatMap((name) =>
    ['w', 'd'].map((width) => `amo${name}.${width} a2, a2, (a0)`),
  ),
  // c.sw, c.sd, c.fsd
  ...['.word 0x1c110', '.word 0x1e110', '.word 0x1a110'],
];
const ACCESSES = [...LOADS, ...STORES];
/** Bytes of the widest one. */
const WIDEST = 8;

const MARK = 0x5a5a_a5a5_1234_4321n;
const SECRET = 0xc3;
const SECRET_BYTES = 64;
const RESULT_BYTES = 32;

interface Found {
  readonly cause: bigint;
  /** What a2 and fa2 hold afterwards. */
  readonly x: bigint;
  readonly f: bigint;
}

/** Executes each access at each address; `satp`: under that translation. */
function accessor(addresses: readonly number[], satp = 0n): string {
  const tries = addresses.flatMap((address, place) =>
    ACCESSES.map((access, index) => {
      const label = `next${place}_${index}`;
      return `
  li a0, ${address}
  la s3, ${label}
  li a2, ${MARK}
  fmv.d.x fa2, a2
  li a4, 0
  ${access}
${label}:
  sd a4, 0(s1)
  sd a2, 8(s1)
  fsd fa2, 16(s1)
  addi s1, s1, ${RESULT_BYTES}`;
    }),
  );
  return `
  la t0, handler
  csrw stvec, t0
  li t0, 0x6000
  csrs sstatus, t0
  li s1, ${resultsOf('B')}
  li t0, ${satp}
  csrw satp, t0
  sfence.vma zero, zero
${tries.join('')}
  li t6, ${SIDE_IO_BASE.B + SIDE_IO.uart.offset}
  li t5, 80
  sb t5, 0(t6)
done:
  wfi
  j done
  .dword 0, 0
handler:
  csrr a4, scause
  csrw sepc, s3
  sret`;
}

/** The secret is put at the places, and found unchanged there. */
function run(addresses: readonly number[], secrets: readonly number[], satp?: bigint, prepare = (_: TinyNode) => {}) {
  const node = new TinyNode({ guests: { A: ticker('A', 'a', 1000), B: accessor(addresses, satp) } });
  const secret = new Uint8Array(SECRET_BYTES).fill(SECRET);
  for (const place of secrets) node.machine.memory.write(place, secret);
  prepare(node);
  node.ask({ op: 'virtualize' });
  node.bootVm('B');
  node.runUntilConsole('B', 'P', 100_000_000);
  for (const place of secrets) expect([...node.machine.memory.view(place, SECRET_BYTES)]).toEqual([...secret]);
  const printed = node.console.A.length;
  node.runNs(1_000_000);
  expect(node.console.A.length).toBeGreaterThan(printed + 5);
  return addresses.map((_, place) =>
    ACCESSES.map((access, index): Found & { readonly access: string } => {
      const at = resultsOf('B') + RESULT_BYTES * (place * ACCESSES.length + index);
      const [cause = 0n, x = 0n, f = 0n] = node.dwords(at, 3);
      return { access, cause, x, f };
    }),
  );
}

/** Nothing of a secret is in a register. */
function expectNothingLearnt({ access, x, f }: Found & { readonly access: string }): void {
  for (const value of [x, f]) {
    for (let byte = 0n; byte < 64n; byte += 8n) {
      expect([access, Number((value >> byte) & 0xffn)]).not.toEqual([access, SECRET]);
    }
  }
}

const RAM_PLACES: readonly (readonly [string, number])[] = [
  ["the other's bank", BOARD.bank.A.base + 0x5_0000],
  ["the other's low memory", BOARD.lowStub.A.base + 0x1000],
  ['memory that is nobody’s', BOARD.scratch.B.base + 0x2000],
  ['firmware memory', FIRMWARE_MEMORY.base + 0x8_0000],
];

describe('every instruction that accesses memory', () => {
  it('raises an access fault at memory that is not the guest’s, learns nothing and changes nothing', () => {
    const places = RAM_PLACES.map(([, address]) => address);
    for (const found of run(places, places)) {
      for (const one of found) {
        expect([one.access, one.cause]).toEqual([one.access, STORES.includes(one.access) ? 7n : 5n]);
        expect([one.x, one.f]).toEqual([MARK, MARK]);
      }
    }
  });

  it('raises nothing in memory of the guest, and does what it says there', () => {
    const [found] = run([BOARD.bank.B.base + 0x30_0000], []);
    expect(found!.filter(({ cause }) => cause !== 0n)).toEqual([]);
    for (const { access, x, f } of found!)
      if (LOADS.includes(access)) expect([access, x === MARK && f === MARK]).toEqual([access, false]);
  });

  it('raises one across the border of what is the guest’s, from either side, and nothing of the other side moves', () => {
    const { base, bytes } = BOARD.lowStub.B;
    const [below, above] = [base, base + bytes];
    const offsets = Array.from({ length: WIDEST - 1 }, (_, index) => index + 1);
    const places = offsets.flatMap((offset) => [below - offset, above - offset]);
    const found = run(places, [below - SECRET_BYTES, above]);
    for (const [place, ones] of found.entries()) {
      for (const one of ones) {
        expectNothingLearnt(one);
        const isStore = STORES.includes(one.access);
        // Below the border the first byte is another's already; above it narrow accesses stay inside.
        if (places[place]! < below)
          expect(
            [
              [5n, 4n],
              [7n, 6n],
            ][isStore ? 1 : 0],
          ).toContain(one.cause);
      }
    }
  });

  it('finds nothing at the devices of M-mode and of the other, and changes nothing there', () => {
    const places = [
      ACLINT.base,
      ACLINT.base + 0x4000,
      ACLINT.base + 0xbff8,
      PARTITION_CONTROLLER.base + PARTITION_REGISTERS.steer,
      PARTITION_CONTROLLER.base + PARTITION_REGISTERS.power,
      PARTITION_CONTROLLER.base + PARTITION_REGISTERS.iopmp,
      SIDE_IO_BASE.A,
      SIDE_IO_BASE.A + SIDE_IO.uart.offset,
      SIDE_IO_BASE.A + SIDE_IO.rtc.offset,
    ];
    for (const found of run(places, [])) {
      for (const one of found) {
        expect([one.access, one.cause]).toEqual([one.access, STORES.includes(one.access) ? 7n : 5n]);
        expect([one.x, one.f]).toEqual([MARK, MARK]);
      }
    }
  });

  it('finds the slots of the other empty, or faults, and changes nothing there', () => {
    const places = [0, 0x70, 0xfff, 0xffc].map((offset) => slotBase('A', 0) + offset);
    for (const found of run(places, [])) {
      for (const { access, cause, x, f } of found) {
        // An empty slot reads as 0; an access it does not serve is the guest's own fault.
        const isServed = cause === 0n;
        if (!isServed) expect([4n, 5n, 6n, 7n]).toContain(cause);
        const isLoad = LOADS.includes(access);
        expect([access, x]).toEqual([access, isServed && isLoad ? 0n : MARK]);
        expect([access, f]).toEqual([access, MARK]);
      }
    }
  });
});

describe('every instruction that accesses memory, under page tables of the guest that map what is another’s', () => {
  const SV39 = 8n << 60n;
  const PAGE = 0x1000n;
  /** Two pages in a row, the first the guest's own, the second the other's; then the other way round. */
  const VIRTUAL = 0x10_0000_0000;
  const TABLES = BOARD.bank.B.base + 0x40_0000;
  const OWN = BOARD.bank.B.base + 0x50_0000;
  const FOREIGN = BOARD.bank.A.base + 0x10_0000;
  const [V, RWX, AD] = [1n, 0xen, 0xc0n];

  const leaf = (physical: number): bigint => ((BigInt(physical) >> 12n) << 10n) | V | RWX | AD;
  const pointer = (table: number): bigint => ((BigInt(table) >> 12n) << 10n) | V;
  const table = (index: number): number => TABLES + Number(PAGE) * index;

  function writeTables(node: TinyNode): void {
    const entry = (at: number, index: number, value: bigint): void => {
      const bytes = new Uint8Array(8);
      new DataView(bytes.buffer).setBigUint64(0, value, true);
      node.machine.memory.write(table(at) + 8 * index, bytes);
    };
    // Devices and memory where they are, a gibibyte each.
    for (const gib of [0, 1, 2, 3]) entry(0, gib, leaf(gib * 0x4000_0000));
    entry(0, VIRTUAL / 0x4000_0000, pointer(table(1)));
    entry(1, 0, pointer(table(2)));
    entry(2, 0, leaf(OWN));
    entry(2, 1, leaf(FOREIGN));
    entry(2, 2, leaf(OWN));
  }

  it('raises an access fault, also across pages, learns nothing and changes nothing', () => {
    const page = Number(PAGE);
    const crossing = Array.from({ length: WIDEST - 1 }, (_, index) => index + 1);
    const places = [
      VIRTUAL + page,
      VIRTUAL + page + 0x10,
      ...crossing.flatMap((offset) => [VIRTUAL + page - offset, VIRTUAL + 2 * page - offset]),
    ];
    const secrets = [FOREIGN, FOREIGN + page - SECRET_BYTES];
    const satp = SV39 | (BigInt(TABLES) >> 12n);
    for (const [place, found] of run(places, secrets, satp, writeTables).entries()) {
      for (const one of found) {
        expectNothingLearnt(one);
        if (place < 2) expect([one.access, one.cause]).toEqual([one.access, STORES.includes(one.access) ? 7n : 5n]);
      }
    }
  });

  it('cannot be fetched from across a border: an instruction half of which is the other’s is not executed', () => {
    // The last halfword of the own page is the first of a 4-byte instruction, the other's page has its second.
    const source = `
  la t0, handler
  csrw stvec, t0
  li s1, ${resultsOf('B')}
  li t0, ${SV39 | (BigInt(TABLES) >> 12n)}
  csrw satp, t0
  sfence.vma zero, zero
  li a0, 0
  li t0, ${VIRTUAL + Number(PAGE) - 2}
  jalr ra, 0(t0)
  j out
handler:
  csrr a4, scause
  csrr a5, stval
  sd a4, 0(s1)
  sd a5, 8(s1)
  sd a0, 16(s1)
out:
  li t6, ${SIDE_IO_BASE.B + SIDE_IO.uart.offset}
  li t5, 80
  sb t5, 0(t6)
done:
  wfi
  j done`;
    const node = new TinyNode({ guests: { A: ticker('A', 'a', 1000), B: source } });
    writeTables(node);
    // addi a0, a0, 77
    const instruction = Uint8Array.of(0x13, 0x05, 0xd5, 0x04);
    node.machine.memory.write(OWN + Number(PAGE) - 2, instruction.subarray(0, 2));
    node.machine.memory.write(FOREIGN, instruction.subarray(2));
    node.ask({ op: 'virtualize' });
    node.bootVm('B');
    node.runUntilConsole('B', 'P');
    expect(node.dwords(resultsOf('B'), 3)).toEqual([1n, BigInt(VIRTUAL) + PAGE, 0n]);
  });
});

describe('a guest that reads and writes every CSR there is', () => {
  /** What it needs itself: sstatus, sie, stvec, satp. */
  const KEPT = [0x100, 0x104, 0x105, 0x180];
  const CSRS = Array.from({ length: 0x1000 }, (_, csr) => csr).filter((csr) => !KEPT.includes(csr));
  const isMachines = (csr: number): boolean => ((csr >> 8) & 3) === 3;
  /** What S-mode has besides: [Priv] "CSR Listing". */
  const SUPERVISORS = [
    0x001, 0x002, 0x003, 0x106, 0x10a, 0x140, 0x141, 0x142, 0x143, 0x144, 0x14d, 0xc00, 0xc01, 0xc02,
  ];

  /** Results: a byte for each CSR: 1 when reading raised, 2 when writing did. */
  const source = `
  la t0, handler
  csrw stvec, t0
  csrw sie, zero
  li t0, 0x6000
  csrs sstatus, t0
  li s1, ${resultsOf('B')}
  li a2, -1
${CSRS.map(
  (csr) => `
  li a4, 0
  li a5, 1
  la s3, write${csr}
  csrrs a0, ${csr}, zero
write${csr}:
  li a5, 2
  la s3, next${csr}
  csrrw zero, ${csr}, a2
next${csr}:
  sb a4, 0(s1)
  addi s1, s1, 1`,
).join('')}
  li t6, ${SIDE_IO_BASE.B + SIDE_IO.uart.offset}
  li t5, 80
  sb t5, 0(t6)
done:
  wfi
  j done
  .dword 0, 0
handler:
  or a4, a4, a5
  jalr zero, 0(s3)`;

  it('reaches those of S-mode only, and the other guest and M-mode have theirs as they were', () => {
    const withB = (guest: string): { node: TinyNode; results: bigint[] } => {
      const node = new TinyNode({ guests: { A: checksum('A', resultsOf('A'), 20_000), B: guest } });
      node.ask({ op: 'virtualize' });
      node.bootVm('B');
      node.runUntilConsole('A', 'D', 200_000_000);
      return { node, results: node.dwords(resultsOf('A'), 7) };
    };
    const quiet = withB('done:\n  wfi\n  j done').results;
    const { node, results } = withB(source);
    node.runUntilConsole('B', 'P', 100_000_000);
    expect(results).toEqual(quiet);
    const raised = [...node.machine.memory.view(resultsOf('B'), CSRS.length)];
    for (const [index, csr] of CSRS.entries()) {
      const name = csr.toString(16);
      if (isMachines(csr)) expect([name, raised[index]]).toEqual([name, 3]);
      const isReadOnly = csr >> 10 === 3;
      if (SUPERVISORS.includes(csr)) expect([name, raised[index]]).toEqual([name, isReadOnly ? 2 : 0]);
      else expect([name, raised[index]]).toEqual([name, 3]);
    }
    node.ask({ op: 'destroyVm', side: 'B', force: true });
    expect(node.ask({ op: 'devirtualize' }).status).toMatchObject({ stateIdentical: true, differences: [] });
  });
});
