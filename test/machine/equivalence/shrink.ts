/** Makes a failing scenario small: fewer turns, then instructions that matter only. */
import { type CompareOptions, compareRuns, type Difference, type Pair } from './compare.ts';
import type { Instruction, Scenario, Turn } from './scenario.ts';
import { word } from './word.ts';

export interface Shrunk {
  readonly scenario: Scenario;
  readonly difference: Difference;
  /** Instructions that are not a nop now. */
  readonly remaining: readonly Instruction[];
}

const NOP = { 2: word('c.addi', { rd: 0, rs1: 0, imm: 0 }), 4: word('addi', { rd: 0, rs1: 0, imm: 0 }) } as const;
const EVERY_TURN: CompareOptions = { everyTurn: true };

/**
 * Undefined when fresh harts agree on the scenario: what differed needs what ran before it.
 * @param createPair two new harts
 */
export function shrink(scenario: Scenario, createPair: () => Pair, attemptsMax = 2000): Shrunk | undefined {
  let attempts = 0;
  const fails = (candidate: Scenario): Difference | undefined => {
    attempts += 1;
    return compareRuns(createPair(), candidate, EVERY_TURN);
  };
  let difference = fails(scenario);
  if (difference === undefined) return undefined;
  let smallest: Scenario = { ...scenario, turns: scenario.turns.slice(0, difference.turn + 1) };

  const reduce = <T>(list: readonly T[], without: (kept: readonly T[]) => Scenario): void => {
    let kept = list;
    for (let chunk = Math.ceil(kept.length / 2); chunk >= 1; chunk = chunk === 1 ? 0 : Math.ceil(chunk / 2)) {
      for (let end = kept.length; end > 0 && attempts < attemptsMax; end -= chunk) {
        const candidateList = [...kept.slice(0, Math.max(0, end - chunk)), ...kept.slice(end)];
        const candidate = without(candidateList);
        const found = fails(candidate);
        if (found === undefined) continue;
        kept = candidateList;
        smallest = candidate;
        difference = found;
      }
    }
  };

  reduce<Turn>(smallest.turns, (turns) => ({ ...smallest, turns }));
  const all = scenario.code;
  reduce<Instruction>(all, (kept) => {
    const real = new Set(kept);
    return { ...smallest, code: all.map((each) => (real.has(each) ? each : nopFor(each))) };
  });
  reduce<Turn>(smallest.turns, (turns) => ({ ...smallest, turns }));
  return { scenario: smallest, difference, remaining: smallest.code.filter((each) => !isNop(each)) };
}

const bytesOf = (instruction: Instruction): 2 | 4 => ((instruction.word & 3) === 3 ? 4 : 2);
const nopFor = (instruction: Instruction): Instruction => ({
  offset: instruction.offset,
  word: NOP[bytesOf(instruction)],
});
const isNop = (instruction: Instruction): boolean => instruction.word === NOP[bytesOf(instruction)];
