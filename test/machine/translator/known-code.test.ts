import { describe, expect, test } from 'vitest';
import { createHart } from '../../../src/machine/hart/hart.ts';
import { STATE } from '../../../src/machine/hart/layout.ts';
import { assemble } from '../../../src/machine/isa/assemble.ts';
import { createPhysicalMemory } from '../../../src/machine/memory.ts';
import { contentOfPage } from '../../../src/machine/translator/code-content.ts';
import { SAMPLE_INSTRUCTIONS } from '../../../src/machine/translator/hot-pages.ts';
import { contains, KnownCode } from '../../../src/machine/translator/known-code.ts';
import { translatorOf } from '../../../src/machine/translator/translator.ts';

const RAM = 0x8000_0000;
const PAGE_BYTES = 4096;
const A0 = 10;
const A1 = 11;
const UNTIL_HOT = 100 * SAMPLE_INSTRUCTIONS;

/** A loop that calls a function in the page behind it. */
const PROGRAM = `
  loop:
    addi a0, a0, 1
    call callee
    j loop
    .balign ${PAGE_BYTES}
  callee:
    addi a1, a1, 3
    ret
`;

/** A loop that calls the middle of a block in the page behind it, where nothing else leads, and then the block. */
const PROGRAM_INTO_BLOCK = `
  loop:
    la t0, middle
    jalr ra, 0(t0)
    la t0, callee
    jalr ra, 0(t0)
    j loop
    .balign ${PAGE_BYTES}
  callee:
${'    addi a1, a1, 3\n'.repeat(40)}
  middle:
${'    addi a0, a0, 1\n'.repeat(40)}
    ret
`;
const MIDDLE = 160;

/** A loop of instructions that are mostly none for regions. */
const PROGRAM_OF_SYSTEM_INSTRUCTIONS = `
  loop:
    addi a0, a0, 1
${'    csrrw a1, 0x342, a0\n'.repeat(8)}
    j loop
`;

function machine(known: KnownCode, at = RAM, program = PROGRAM) {
  const memory = createPhysicalMemory(RAM, 0x10_0000);
  memory.write(at, assemble(program, { base: at }).bytes);
  const hart = createHart({
    hartId: 0,
    memory,
    bus: { read: () => undefined, write: () => false },
    time: () => 0n,
    machineModeEntries: new Set(),
    knownCode: known,
  });
  hart.reset(at);
  const words = new Int32Array(memory.wasm.buffer);
  const translated = () => new DataView(memory.wasm.buffer).getBigUint64(STATE.translated, true);
  return {
    hart,
    regions: () => translatorOf(memory, 'hot')?.counts.regionsMade,
    interpreted: () => hart.retired - Number(translated()),
    contentOf: (address: number) => contentOfPage(words, memory.toLinear(address)),
  };
}

type Machine = ReturnType<typeof machine>;

function learned(): KnownCode {
  const known = new KnownCode();
  machine(known).hart.run(UNTIL_HOT);
  return known;
}

const copyOf = (known: KnownCode): KnownCode => {
  const copy = new KnownCode();
  copy.addFrom(new Uint8Array(known.toBytes()));
  return copy;
};

describe('known code', () => {
  test('is translated the first time a hart is found in it', () => {
    const unknown = machine(new KnownCode());
    const known = machine(learned());
    unknown.hart.run(2 * SAMPLE_INSTRUCTIONS);
    known.hart.run(2 * SAMPLE_INSTRUCTIONS);
    expect(unknown.regions()).toBe(0);
    expect(known.regions()).toBeGreaterThan(0);
  });

  test('is found at another address, and by another machine that read it from bytes', () => {
    const { hart, regions } = machine(copyOf(learned()), RAM + 8 * PAGE_BYTES);
    hart.run(2 * SAMPLE_INSTRUCTIONS);
    expect(regions()).toBeGreaterThan(0);
    hart.run(UNTIL_HOT);
    const { retired } = hart;
    // Five instructions a round.
    expect(hart.state.x(A0)).toBe(BigInt(Math.ceil(retired / 5)));
    expect(hart.state.x(A1) / 3n).toBe(BigInt(Math.floor((retired + 2) / 5)));
  });

  test('is entered where earlier runs had wished they could', () => {
    const known = new KnownCode();
    const [first, second] = [0, 1].map(() => {
      const made = machine(known, RAM, PROGRAM_INTO_BLOCK);
      made.hart.run(10 * UNTIL_HOT);
      return made;
    }) as [Machine, Machine];
    expect(contains(known.recipe(first.contentOf(RAM + PAGE_BYTES))!.entries, MIDDLE)).toBe(true);
    expect(second.hart.pc).toBe(first.hart.pc);
    expect([A0, A1].map((x) => second.hart.state.x(x))).toEqual([A0, A1].map((x) => first.hart.state.x(x)));
    expect(second.interpreted()).toBeLessThan(first.interpreted() / 2);
  });

  test('is translated once, though a hart is found again and again at what is none for regions', () => {
    const known = new KnownCode();
    machine(known, RAM, PROGRAM_OF_SYSTEM_INSTRUCTIONS).hart.run(UNTIL_HOT);
    const { hart, regions } = machine(known, RAM, PROGRAM_OF_SYSTEM_INSTRUCTIONS);
    hart.run(UNTIL_HOT);
    expect(regions()).toBe(1);
  });

  test('forgets the module of a page that gets another one, or an entry', () => {
    const known = new KnownCode();
    const empty = () => Uint8Array.of(0, 0x61, 0x73, 0x6d, 1, 0, 0, 0);
    const instructions = new Uint8Array(256);
    for (const key of ['first', 'second']) {
      known.module(key, empty);
      known.keepRecipe({ pages: [{ distance: 0, content: 1, instructions }], entries: new Uint8Array(256), key });
    }
    expect(['first', 'second'].map((key) => known.knownModule(key) !== undefined)).toEqual([false, true]);
    known.wantEntry(1, 8);
    expect(known.knownModule('second')).toBeUndefined();
  });

  test('computes what unknown code does', () => {
    const [unknown, known] = [machine(new KnownCode()), machine(learned())];
    for (let turn = 0; turn < 50; turn++) {
      const instructions = 10_007 * turn + 1;
      unknown.hart.run(instructions);
      known.hart.run(instructions);
      expect(known.hart.pc).toBe(unknown.hart.pc);
      expect(known.hart.state.x(A0)).toBe(unknown.hart.state.x(A0));
      expect(known.hart.state.x(A1)).toBe(unknown.hart.state.x(A1));
    }
  });

  test('has learned nothing where a known run goes as before', () => {
    const known = copyOf(learned());
    machine(known).hart.run(UNTIL_HOT);
    expect(known.takeChanged()).toBe(false);
  });

  test.each([1, 9, 100])('is not read from bytes of which %i are missing', (missing) => {
    const bytes = new Uint8Array(learned().toBytes());
    expect(() => new KnownCode().addFrom(bytes.slice(0, -missing))).toThrow(RangeError);
  });
});
