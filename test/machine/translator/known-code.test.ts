import { describe, expect, test } from 'vitest';
import { createHart } from '../../../src/machine/hart/hart.ts';
import { assemble } from '../../../src/machine/isa/assemble.ts';
import { createPhysicalMemory } from '../../../src/machine/memory.ts';
import { SAMPLE_INSTRUCTIONS } from '../../../src/machine/translator/hot-pages.ts';
import { KnownCode } from '../../../src/machine/translator/known-code.ts';
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

function machine(known: KnownCode, at = RAM) {
  const memory = createPhysicalMemory(RAM, 0x10_0000);
  memory.write(at, assemble(PROGRAM, { base: at }).bytes);
  const hart = createHart({
    hartId: 0,
    memory,
    bus: { read: () => undefined, write: () => false },
    time: () => 0n,
    machineModeEntries: new Set(),
    knownCode: known,
  });
  hart.reset(at);
  return { hart, regions: () => translatorOf(memory, 'hot')?.counts.regionsMade };
}

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
