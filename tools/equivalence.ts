/**
 * Interpreter against translator on random programs: registers, CSRs, memory, retired instructions, traps, accesses of
 * devices, after every turn of every scenario (test/machine/equivalence).
 *
 *   node tools/equivalence.ts [--blocks 1000000] [--seed 1] [--first off] [--second all] [--passes 1]
 *
 * Ends when so many blocks were generated, by us or by the translator (which makes most of them several times: code is
 * patched, and entered in the middle). With two passes everything is run twice, and known the second
 * time. Prints the smallest failing program it can make; exit code 1 then.
 */
import { parseArgs } from 'node:util';
import type { Translate } from '../src/machine/index.ts';
import { explain, runCampaign, SIZES } from '../test/machine/equivalence/campaign.ts';

const PROGRESS_SCENARIOS = 10;

const { values } = parseArgs({
  options: {
    blocks: { type: 'string', default: '1000000' },
    seed: { type: 'string', default: '1' },
    first: { type: 'string', default: 'off' },
    second: { type: 'string', default: 'all' },
    passes: { type: 'string', default: '1' },
  },
});
const modes = [values.first as Translate, values.second as Translate] as const;
const startedAt = process.cpuUsage();
const cpuSeconds = (): string => {
  const { user, system } = process.cpuUsage(startedAt);
  return ((user + system) / 1e6).toFixed(0);
};

const { failure, ...done } = runCampaign({
  firstSeed: Number(values.seed),
  blocks: Number(values.blocks),
  modes,
  sizes: SIZES,
  passes: Number(values.passes),
  onProgress: ({ blocks, blocksTranslated, scenarios, turns, instructions }) => {
    if (scenarios % PROGRESS_SCENARIOS === 0) {
      console.log(
        `${blocks} blocks, ${blocksTranslated} translated, ${turns} turns, ${instructions} instructions, ${cpuSeconds()} s of CPU`,
      );
    }
  },
});
console.log(
  `${done.blocks} random blocks in ${done.scenarios} scenarios, ${done.blocksTranslated} basic blocks translated, ${done.turns} turns, ${done.instructions} instructions on each hart ` +
    `(${modes.join(' against ')}), ${cpuSeconds()} s of CPU`,
);
if (failure !== undefined) {
  console.log(`differs at seed ${failure.seed}`);
  console.log(explain(failure, { modes, sizes: SIZES }));
  process.exitCode = 1;
}
