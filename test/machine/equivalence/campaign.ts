/**
 * Scenario after scenario on the same two harts, so that what one leaves behind (translations, TLBs, counters) is there
 * when the next begins; new harts once in a while.
 */
import type { Translate } from '../../../src/machine/door.ts';
import { disassemble } from '../../../src/machine/isa/disassemble.ts';
import { KnownCode } from '../../../src/machine/translator/known-code.ts';
import { translatorOf } from '../../../src/machine/translator/translator.ts';
import { compareRuns, type Difference, type Pair } from './compare.ts';
import { RAM } from './guest-layout.ts';
import { HartUnderTest } from './hart-under-test.ts';
import { type Entry, randomScenario, type Scenario, type ScenarioSize, type Turn } from './scenario.ts';
import { type Shrunk, shrink } from './shrink.ts';

/** Scenarios that one pair of harts lives through. */
const SCENARIOS_OF_A_PAIR = 16;

export interface CampaignOptions {
  readonly firstSeed: number;
  readonly blocks: number;
  readonly modes: readonly [Translate, Translate];
  /** Sizes that scenarios take turns at. */
  readonly sizes: readonly ScenarioSize[];
  /** Times that each scenario is run, one after the other: the second time its code is known. */
  readonly passes?: number;
  readonly onProgress?: (progress: CampaignProgress) => void;
}

export interface CampaignProgress {
  readonly blocks: number;
  /** Basic blocks that the second hart's translator made code for: many of them again and again, as code is patched. */
  readonly blocksTranslated: number;
  readonly scenarios: number;
  readonly turns: number;
  readonly instructions: number;
}

export interface Failure {
  readonly seed: number;
  /** Seed of the first scenario that the same harts ran. */
  readonly pairSeed: number;
  readonly difference: Difference;
}

export const SIZES: readonly ScenarioSize[] = [
  { codePages: 160, blocksPerPage: 8, budgetMax: 2000 },
  { codePages: 12, blocksPerPage: 200, budgetMax: 4000 },
  { codePages: 300, blocksPerPage: 3, budgetMax: 600 },
  { codePages: 48, blocksPerPage: 25, budgetMax: 20_000 },
  // Long enough in few blocks for some of them to become hot.
  { codePages: 4, blocksPerPage: 40, budgetMax: 200_000 },
];

export const scenarioOf = (seed: number, sizes: readonly ScenarioSize[]): Scenario =>
  randomScenario(seed, sizes[seed % sizes.length]!);

/** Until `blocks` blocks were generated, by us or by the translator, or the first scenario on which the harts differ. */
export function runCampaign(options: CampaignOptions): CampaignProgress & { readonly failure?: Failure } {
  const { firstSeed, blocks, modes, sizes, passes = 1, onProgress } = options;
  // What one pair learns of code all others know.
  const known = new KnownCode();
  let progress: CampaignProgress = { blocks: 0, blocksTranslated: 0, scenarios: 0, turns: 0, instructions: 0 };
  let pair = createPair(modes, known);
  let pairSeed = firstSeed;
  for (let run = 0; Math.max(progress.blocks, progress.blocksTranslated) < blocks; run++) {
    const seed = firstSeed + Math.floor(run / passes);
    if (seed - pairSeed === SCENARIOS_OF_A_PAIR) {
      pair = createPair(modes, known);
      pairSeed = seed;
    }
    const scenario = scenarioOf(seed, sizes);
    const translatedBefore = blocksTranslated(pair, modes);
    const difference = compareRuns(pair, scenario);
    if (difference !== undefined) return { ...progress, failure: { seed, pairSeed, difference } };
    progress = {
      blocks: progress.blocks + scenario.blocks,
      blocksTranslated: progress.blocksTranslated + blocksTranslated(pair, modes) - translatedBefore,
      scenarios: progress.scenarios + 1,
      turns: progress.turns + scenario.turns.length,
      instructions: progress.instructions + pair.first.hart.retired,
    };
    onProgress?.(progress);
  }
  return progress;
}

const blocksTranslated = (pair: Pair, modes: CampaignOptions['modes']): number =>
  translatorOf(pair.second.memory, modes[1])?.counts.blocksMade ?? 0;

export const createPair = (modes: readonly [Translate, Translate], known?: KnownCode): Pair => ({
  first: new HartUnderTest(modes[0]),
  second: new HartUnderTest(modes[1], known),
});

/** What to do about a failure: the smallest program that shows it, or that it takes the scenarios before it. */
export function explain(failure: Failure, { modes, sizes }: Pick<CampaignOptions, 'modes' | 'sizes'>): string {
  const shrunk = shrink(scenarioOf(failure.seed, sizes), () => createPair(modes));
  if (shrunk !== undefined) return describe(shrunk);
  return [
    `fresh harts agree on seed ${failure.seed}: it takes what ran before, from seed ${failure.pairSeed} on`,
    ...failure.difference.lines,
  ].join('\n');
}

function describe({ scenario, difference, remaining }: Shrunk): string {
  return [
    `seed ${scenario.seed}, differs after turn ${difference.turn}:`,
    ...difference.lines.map((line) => `  ${line}`),
    'turns:',
    ...scenario.turns.map((turn, index) => `  ${index}: ${describeTurn(turn)}`),
    'instructions (everything else of the code is a nop):',
    ...remaining.map(({ offset, word }) => {
      const address = BigInt(RAM.base + offset);
      return `  0x${address.toString(16)}: ${disassemble(word, address)}`;
    }),
  ].join('\n');
}

const describeTurn = ({ entry, line, poke, fence, budget }: Turn): string =>
  [
    ...(line === undefined ? [] : [`${line.name}=${line.level ? 1 : 0}`]),
    ...(poke === undefined ? [] : [`write ${hex(poke.word)} at ${hex(RAM.base + poke.offset)}`]),
    ...(fence === undefined ? [] : ['sfence.vma']),
    ...(entry === undefined ? [] : [describeEntry(entry)]),
    `run ${budget}`,
  ].join(', ');

const describeEntry = (entry: Entry): string =>
  `enter ${hex(RAM.base + entry.blockOffset)} in ${['U', 'S', '', 'M'][entry.privilege]} through ${entry.region} of space ${entry.space}, ` +
  `mstatus ${hex(entry.status)} fcsr ${hex(entry.fcsr)} medeleg ${hex(entry.medeleg)} mideleg ${hex(entry.mideleg)} mie ${hex(entry.mie)}, ` +
  `registers ${entry.registerSeed}`;

const hex = (value: number): string => `0x${(value >>> 0).toString(16)}`;
