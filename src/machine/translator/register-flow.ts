/**
 * Where the registers of a region live. Hart state has them all wherever the region is entered and left, and at its
 * dispatcher; an entry loads what can be read from there on, and an instruction stores what it writes at once.
 *
 * Loops are the exception: what is written in one stays in locals until the loop is left, in whichever way.
 */
import type { Decoded } from '../isa/decode.ts';
import type { BasicBlock, RegionInstruction } from './basic-blocks.ts';
import { type ControlFlow, DISPATCHER } from './control-flow.ts';

export type RegisterKind = 'x' | 'f';

/** Registers as bits, x0 excepted. */
interface Registers {
  readonly read: number;
  readonly written: number;
}

/** Decoded words are few and come along again and again. */
const known: Readonly<Record<RegisterKind, WeakMap<Decoded, Registers>>> = { x: new WeakMap(), f: new WeakMap() };

function registersOf({ decoded }: RegionInstruction, kind: RegisterKind): Registers {
  let registers = known[kind].get(decoded);
  if (registers === undefined) {
    registers = namedRegisters(decoded, kind);
    known[kind].set(decoded, registers);
  }
  return registers;
}

function namedRegisters({ row, operands }: Decoded, kind: RegisterKind): Registers {
  let read = 0;
  let written = 0;
  for (const operand of row.operands) {
    if (operand.kind !== kind) continue;
    for (const slot of operand.slots as readonly ('rd' | 'rs1' | 'rs2' | 'rs3')[]) {
      const bit = 1 << operands[slot];
      if (slot === 'rd') written |= bit;
      else read |= bit;
    }
  }
  const all = kind === 'x' ? ~1 : ~0;
  return { read: read & all, written: written & all };
}

function ascending(bits: number): readonly number[] {
  const registers: number[] = [];
  for (let left = bits; left !== 0; left &= left - 1) registers.push(31 - Math.clz32(left & -left));
  return registers;
}

/** Of the registers of one kind; nodes as in `ControlFlow`. */
export class RegisterFlow {
  readonly #kind: RegisterKind;
  readonly #liveIn: Int32Array;
  /** By node of a loop's head. */
  readonly #writtenIn: Int32Array;

  constructor(
    kind: RegisterKind,
    blocks: readonly BasicBlock[],
    flow: ControlFlow,
    successors: readonly (readonly number[])[],
  ) {
    this.#kind = kind;
    const count = blocks.length + 1;
    const written = new Int32Array(count);
    /** Before it is written. */
    const read = new Int32Array(count);
    this.#writtenIn = new Int32Array(count);
    for (const node of flow.order) {
      if (node === DISPATCHER) continue;
      for (const instruction of blocks[node - 1]!.instructions) {
        const registers = registersOf(instruction, kind);
        read[node]! |= registers.read & ~written[node]!;
        written[node]! |= registers.written;
      }
      const loop = flow.loopOf[node]!;
      if (loop !== DISPATCHER) this.#writtenIn[loop]! |= written[node]!;
    }
    this.#liveIn = new Int32Array(count);
    /** An entry loads what it needs wherever one comes from, but from its own loop. */
    const isEntry = new Set(flow.dispatched);
    const loadsAgain = (from: number, to: number): boolean => {
      const edge = flow.edge(from, to);
      return edge === 'dispatch' || (edge === 'forward' && isEntry.has(to));
    };
    for (let isChanged = true; isChanged; ) {
      isChanged = false;
      for (let i = flow.order.length - 1; i > 0; i--) {
        const node = flow.order[i]!;
        const loop = flow.loopOf[node]!;
        let live = 0;
        for (const to of successors[node]!) if (!loadsAgain(node, to)) live |= this.#liveIn[to]!;
        live = (live & ~written[node]!) | read[node]!;
        // The loop can be left anywhere, and what is stored then must be there.
        if (loop !== DISPATCHER) live |= this.#writtenIn[loop]!;
        if (live === this.#liveIn[node]) continue;
        this.#liveIn[node] = live;
        isChanged = true;
      }
    }
  }

  /** Registers that can be read from a node on before they are written. */
  liveIn(node: number): readonly number[] {
    return ascending(this.#liveIn[node]!);
  }

  /** Registers that are written in the loop with this head. */
  writtenIn(loop: number): readonly number[] {
    return ascending(this.#writtenIn[loop]!);
  }

  /**
   * Which instructions of a block outside loops must store what they write: all but those whose register is written again
   * before the region can be left.
   */
  stores(instructions: readonly RegionInstruction[]): readonly boolean[] {
    const stores: boolean[] = [];
    let overwritten = 0;
    for (let i = instructions.length - 1; i >= 0; i--) {
      const { written } = registersOf(instructions[i]!, this.#kind);
      stores[i] = (written & ~overwritten) !== 0;
      if (neverLeaves(instructions[i]!)) overwritten |= written;
      else overwritten = 0;
    }
    return stores;
  }
}

/** The region is not left before the instruction has written its register. */
const neverLeaves = ({ decoded: { row } }: RegionInstruction): boolean =>
  row.pure || row.name === 'jal' || row.name === 'jalr';
