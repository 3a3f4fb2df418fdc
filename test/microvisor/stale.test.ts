/** What a hart remembers of translations and protection is no way round a change of owners: for loads, stores and fetches. */
import { describe, expect, it } from 'vitest';
import type { MemoryRegion, Side } from '../../src/machine/index.ts';
import { ticker } from './tiny-guests.ts';
import { allSlots, BOARD, resultsOf, TinyNode } from './tiny-node.ts';

const SV39 = 8n << 60n;
const PAGE = 0x1000;
const VIRTUAL = 0x10_0000_0000;
const TABLES = BOARD.bank.B.base + 0x40_0000;
const OWN = BOARD.bank.B.base + 0x50_0000;
/** Changes hands while B uses it. */
const MOVING: MemoryRegion = { base: BOARD.bank.B.base + 0x60_0000, bytes: 0x20_0000 };
const SATP = SV39 | (BigInt(TABLES) >> 12n);

const [V, RWX, AD] = [1n, 0xen, 0xc0n];
const leaf = (physical: number): bigint => ((BigInt(physical) >> 12n) << 10n) | V | RWX | AD;
const pointer = (table: number): bigint => ((BigInt(table) >> 12n) << 10n) | V;

const dword = (node: TinyNode, at: number, value: bigint): void => {
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setBigUint64(0, value, true);
  node.machine.memory.write(at, bytes);
};

/** `jalr zero, 0(ra)` after `addi a0, zero, tag`. */
const code = (tag: number): bigint => BigInt((tag << 20) | 0x513) | (0x8067n << 32n);

/** Where the guest is told to map its page, and fences. */
const WANTED = resultsOf('B') + 0x800;
const LEAF = TABLES + 2 * PAGE;

/**
 * For ever: maps what it is told to, fences where that changed, then loads from the page, stores to it and calls into it.
 * Results: rounds, then value and cause of each.
 */
const user = `
  la t0, handler
  csrw stvec, t0
  li s1, ${resultsOf('B')}
  li s2, ${VIRTUAL}
  li s4, ${WANTED}
  li s5, ${LEAF}
  li t0, ${SATP}
  csrw satp, t0
  sfence.vma zero, zero
  li s6, 0
round:
  ld t0, 0(s4)
  beq t0, s6, mapped
  mv s6, t0
  sd t0, 0(s5)
  sfence.vma zero, zero
  fence.i
mapped:
  li a0, 0
  li a4, 0
  la s3, loaded
  ld a0, 0(s2)
loaded:
  sd a0, 8(s1)
  sd a4, 16(s1)
  li a4, 0
  la s3, stored
  sd s2, 64(s2)
stored:
  sd a4, 24(s1)
  li a0, 0
  li a4, 0
  la s3, called
  la ra, called
  jalr zero, 0(s2)
called:
  sd a0, 32(s1)
  sd a4, 40(s1)
  ld t0, 0(s1)
  addi t0, t0, 1
  sd t0, 0(s1)
  j round
handler:
  csrr a4, scause
  csrw sepc, s3
  sret`;

function userNode(): TinyNode {
  const node = new TinyNode({ guests: { A: ticker('A', 'a', 1000), B: user } });
  for (const gib of [0, 1, 2, 3]) dword(node, TABLES + 8 * gib, leaf(gib * 0x4000_0000));
  dword(node, TABLES + 8 * (VIRTUAL / 0x4000_0000), pointer(TABLES + PAGE));
  dword(node, TABLES + PAGE, pointer(LEAF));
  dword(node, WANTED, leaf(MOVING.base));
  dword(node, MOVING.base, code(11));
  dword(node, OWN, code(22));
  node.ask({ op: 'virtualize' });
  node.ask({ op: 'setShare', maintenancePercent: 90, sliceUs: 200 });
  node.ask({ op: 'createVm', side: 'B', memory: [BOARD.lowStub.B, BOARD.bank.B], slots: allSlots('B') });
  node.ask({ op: 'bootVm', side: 'B' });
  node.runUntil(() => node.dwords(resultsOf('B'), 1)[0]! > 3n, 'the guest to use its page');
  return node;
}

/** What the guest finds when it has gone through two whole rounds. */
function finds(node: TinyNode): { value: bigint; tag: bigint; load: bigint; store: bigint; fetch: bigint } {
  const rounds = (): bigint => node.dwords(resultsOf('B'), 1)[0]!;
  const from = rounds();
  node.runUntil(() => rounds() > from + 2n, 'two rounds');
  const [, value, load, store, tag, fetch] = node.dwords(resultsOf('B'), 6) as bigint[];
  return { value: value!, tag: tag!, load: load!, store: store!, fetch: fetch! };
}

const give = (node: TinyNode, owner: Side | null): void => void node.ask({ op: 'setMemory', region: MOVING, owner });
const NONE = { value: 0n, tag: 0n, load: 5n, store: 7n, fetch: 1n };
const good = (tag: number) => ({ value: code(tag), tag: BigInt(tag), load: 0n, store: 0n, fetch: 0n });

describe('a guest that uses a page by its own page tables', () => {
  it.each([null, 'A'] as const)('loses it when it is given to %s, and has it again when it is given back', (owner) => {
    const node = userNode();
    for (let round = 0; round < 3; round++) {
      expect(finds(node)).toEqual(good(11));
      give(node, owner);
      dword(node, MOVING.base + 64, 0x1234n);
      expect(finds(node)).toEqual(NONE);
      expect(node.dwords(MOVING.base + 64, 1)).toEqual([0x1234n]);
      give(node, 'B');
    }
  });

  it('finds what was written there while it was away', () => {
    const node = userNode();
    expect(finds(node)).toEqual(good(11));
    give(node, null);
    expect(finds(node)).toEqual(NONE);
    dword(node, MOVING.base, code(33));
    give(node, 'B');
    expect(finds(node)).toEqual(good(33));
  });

  it('has the mapping it made last, though it made it while the page was away', () => {
    const node = userNode();
    expect(finds(node)).toEqual(good(11));
    give(node, null);
    expect(finds(node)).toEqual(NONE);
    dword(node, WANTED, leaf(OWN));
    expect(finds(node)).toEqual(good(22));
    give(node, 'B');
    expect(finds(node)).toEqual(good(22));
    dword(node, WANTED, leaf(MOVING.base));
    expect(finds(node)).toEqual(good(11));
  });

  it('has it through virtualize, devirtualize and a replaced Microvisor', () => {
    const node = userNode();
    node.ask({ op: 'destroyVm', side: 'A', force: true });
    expect(finds(node)).toEqual(good(11));
    node.replace({ name: '1.1', formats: [1, 2] });
    expect(finds(node)).toEqual(good(11));
    for (const op of ['devirtualize', 'virtualize', 'devirtualize'] as const) {
      node.ask({ op });
      expect(finds(node)).toEqual(good(11));
    }
  });
});
