import { describe, expect, test } from 'vitest';
import { createHart } from '../../../src/machine/hart/hart.ts';
import { assemble } from '../../../src/machine/isa/assemble.ts';
import { createPhysicalMemory } from '../../../src/machine/memory.ts';

const RAM = 0x8000_0000;
const A0 = 10;
const A1 = 11;

function hartAt(source: string, translate: 'hot' | 'all' | 'off') {
  const { bytes, labels } = assemble(source, { base: RAM });
  const memory = createPhysicalMemory(RAM, 0x10_0000);
  memory.write(RAM, bytes);
  const hart = createHart({
    hartId: 0,
    memory,
    bus: { read: () => undefined, write: () => false },
    time: () => 0n,
    machineModeEntries: new Set(),
    translate,
  });
  hart.reset(RAM);
  return { hart, memory, labels };
}

const COUNT_UP = `
  loop:
  patched:
    addi a0, a0, 1
    addi a1, a1, 1
    j loop
`;
const LOOP_INSTRUCTIONS = 3;
const HOT_INSTRUCTIONS = 6_000_000;

/** Once, after many rounds, it stores t1 at t0. */
const PATCHES_ITSELF = `
    li t2, ${HOT_INSTRUCTIONS / 4}
  loop:
    bne a1, t2, on
    sw t1, 0(t0)
  on:
    addi a1, a1, 1
  patched:
    addi a0, a0, 1
    j loop
`;

/** Calls a function in the page behind, directly and through a register. */
const CALLS_ANOTHER_PAGE = `
    la t0, elsewhere
  loop:
    jal ra, elsewhere
    addi a1, a1, 1
    jalr ra, 0(t0)
    j loop
${'    nop\n'.repeat(1024)}
  elsewhere:
    addi a0, a0, 3
    ret
`;

describe('translated code', () => {
  test.each(['hot', 'all'] as const)(
    'goes from page to page as the interpreter does, and ends exactly (%s)',
    (translate) => {
      const [translated, interpreted] = [translate, 'off' as const].map((how) => hartAt(CALLS_ANOTHER_PAGE, how).hart);
      for (const instructions of [1, HOT_INSTRUCTIONS, ...Array.from({ length: 100 }, (_, i) => 1 + i)]) {
        const [a, b] = [translated!, interpreted!].map((hart) => [
          hart.run(instructions),
          hart.retired,
          hart.pc,
          hart.state.x(A0),
          hart.state.x(A1),
        ]);
        expect(a).toEqual(b);
      }
    },
  );

  test.each(['hot', 'all', 'off'] as const)(
    'ends after exactly as many instructions as asked for (%s)',
    (translate) => {
      const { hart } = hartAt(COUNT_UP, translate);
      hart.run(HOT_INSTRUCTIONS);
      for (let instructions = 1; instructions < 200; instructions += 7) {
        const before = hart.retired;
        expect(hart.run(instructions)).toBe('budget');
        expect(hart.retired - before).toBe(instructions);
        expect(hart.pc).toBe(BigInt(RAM + 4 * (hart.retired % LOOP_INSTRUCTIONS)));
      }
    },
  );

  test.each(['hot', 'all'] as const)('is given up when a device writes to it (%s)', (translate) => {
    const { hart, memory } = hartAt(COUNT_UP, translate);
    hart.run(HOT_INSTRUCTIONS);
    const before = hart.state.x(A0);
    memory.write(RAM, assemble('addi a0, a0, 2', { base: RAM }).bytes);
    hart.run(LOOP_INSTRUCTIONS * 100);
    expect(hart.state.x(A0) - before).toBe(200n);
  });

  test.each(['hot', 'all'] as const)('is given up when it writes to itself (%s)', (translate) => {
    const afterwards = (how: 'hot' | 'all' | 'off'): readonly bigint[] => {
      const { hart, labels } = hartAt(PATCHES_ITSELF, how);
      const word = assemble('addi a0, a0, 16', { base: RAM }).bytes;
      hart.state.setX(5, BigInt(labels.get('patched')!));
      hart.state.setX(6, BigInt(new DataView(word.buffer, word.byteOffset).getInt32(0, true)));
      hart.run(HOT_INSTRUCTIONS + 1000);
      return [hart.pc, hart.state.x(A0), hart.state.x(A1)];
    };
    const [pc, sum, rounds] = afterwards(translate);
    expect([pc, sum, rounds]).toEqual(afterwards('off'));
    expect(sum).toBeGreaterThan(rounds!);
  });
});
