/** A sample of `node tools/equivalence.ts`, which runs a million blocks. EQUIVALENCE_BLOCKS sets how many are run here. */
import { describe, expect, test } from 'vitest';
import { createPair, explain, runCampaign, SIZES, scenarioOf } from './campaign.ts';
import { compareRuns, type Pair } from './compare.ts';
import type { Instruction } from './scenario.ts';
import { shrink } from './shrink.ts';
import { word } from './word.ts';

const BLOCKS = Number(process.env['EQUIVALENCE_BLOCKS'] ?? 1000);
/** Small scenarios of every kind. */
const SAMPLE_SIZES = SIZES.map((size) => ({ ...size, codePages: Math.ceil(size.codePages / 8) }));

describe('random programs run the same', () => {
  test.each([
    ['all that is executed is translated', 'all', 1],
    ['hot code is translated, first unknown, then known', 'hot', 2],
  ] as const)('interpreted and where %s', (_title, translate, passes) => {
    const options = { modes: ['off', translate] as const, sizes: SAMPLE_SIZES, passes };
    const { failure } = runCampaign({ ...options, firstSeed: 1, blocks: BLOCKS });
    expect(failure === undefined ? '' : explain(failure, options)).toBe('');
  });
});

describe('two harts that differ in one instruction', () => {
  const scenario = scenarioOf(2, SAMPLE_SIZES);
  /** The first instruction of the first turn's block: executed for certain. */
  const at = scenario.turns[0]!.entry!.blockOffset;
  const replacement: Instruction = { offset: at, word: word('addi', { rd: 27, rs1: 27, imm: 1 }) };

  function differingPair(): Pair {
    const pair = createPair(['off', 'off']);
    const begin = pair.second.begin.bind(pair.second);
    pair.second.begin = (s) => begin({ ...s, code: [...s.code, replacement] });
    return pair;
  }

  test('are found out at the first turn that executes it', () => {
    expect(compareRuns(differingPair(), scenario)?.turn).toBe(0);
  });

  test('are shown by a program of that one turn and a handful of instructions', () => {
    const shrunk = shrink(scenario, differingPair, 100);
    expect(shrunk?.scenario.turns).toHaveLength(1);
    expect(shrunk?.remaining.length).toBeLessThan(10);
  });
});
