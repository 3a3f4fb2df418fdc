/**
 * Runs playbooks/stateful-os-upgrade.yaml again and again, each time with a fault at a random instant of node time, and
 * checks after each run that no acknowledged record is lost and that the engine came to a safe end by itself:
 *
 *   node tools/faults.ts [--runs 100] [--seed 1] [--only 3,17-20] [--upgrades 4] [--jobs 1] [--results FILE] [--folder DIR]
 *   node tools/faults.ts --fault 'power-off old@moveStore+60' --fault 'kill mvctl@moveStore+100'     one run with these
 *   node tools/faults.ts --boots ...          the copy boots, where it is woken from a standby otherwise
 *   node tools/faults.ts --no-maintenance --fault 'panic old@watching+100'   what a crash costs where nothing else is done
 *   node tools/faults.ts --tell FILE        tells what a campaign came to
 *
 * Every run begins with the same booted server, and its faults depend on the seed and its number alone: `--only N` repeats a
 * run as it was. Results are lines of JSON; runs that are in the file are not repeated. Most runs restart the OS and do not
 * upgrade it: the same way of the store, in a third of the time.
 */
import { appendFileSync, existsSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { drawFaults, type Maintenance, parseFault, type Reference } from './faults/fault.ts';
import { isGood, oneRun, type RunResult, referenceRun } from './faults/one-run.ts';
import { isSaved, saveStatefulNode } from './faults/saved-node.ts';
import { summarize, tellRun } from './faults/summary.ts';

const { values } = parseArgs({
  options: {
    runs: { type: 'string', default: '100' },
    seed: { type: 'string', default: '1' },
    only: { type: 'string' },
    upgrades: { type: 'string', default: '4' },
    jobs: { type: 'string', default: '1' },
    results: { type: 'string' },
    folder: { type: 'string' },
    fault: { type: 'string', multiple: true },
    boots: { type: 'boolean', default: false },
    'no-maintenance': { type: 'boolean', default: false },
    tell: { type: 'string' },
  },
});

const runs = Number(values.runs);
const seed = Number(values.seed);
const folder = values.folder ?? join(tmpdir(), 'mvctl-faults');
const saved = join(folder, 'saved');

const readResults = (path: string): RunResult[] =>
  readFileSync(path, 'utf8')
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as RunResult);

/** `3,17-20` as numbers. */
const numbersOf = (text: string): number[] =>
  text.split(',').flatMap((part) => {
    const [from = Number.NaN, to = from] = part.split('-').map(Number);
    return Array.from({ length: to - from + 1 }, (_, index) => from + index);
  });

/** Upgrades are spread evenly over the campaign. */
const maintenanceOf = (number: number): Maintenance => {
  const upgrades = Number(values.upgrades);
  const isUpgrade = Math.floor((number * upgrades) / runs) > Math.floor(((number - 1) * upgrades) / runs);
  return isUpgrade ? 'upgrade' : 'restart';
};

const wakes = (maintenance: Maintenance): boolean => !values.boots && maintenance !== 'none';

/** When the steps of the run without a fault begin; made once. */
async function reference(maintenance: Maintenance): Promise<Reference> {
  const fromStandby = wakes(maintenance);
  const path = join(saved, `reference-${maintenance}${fromStandby ? '-from-standby' : ''}.json`);
  if (!existsSync(path)) {
    const made = await referenceRun({ saved, folder: join(folder, 'reference'), seed, maintenance, fromStandby });
    writeFileSync(path, JSON.stringify(made));
  }
  return JSON.parse(readFileSync(path, 'utf8')) as Reference;
}

async function campaign(): Promise<readonly RunResult[]> {
  const results = values.results !== undefined && existsSync(values.results) ? readResults(values.results) : [];
  const wanted =
    values.only === undefined ? Array.from({ length: runs }, (_, index) => index + 1) : numbersOf(values.only);
  const there = new Set(results.map(({ run }) => run));
  const missing = wanted.filter((number) => !there.has(number));
  if (!isSaved(saved)) await saveStatefulNode(saved);
  for (const maintenance of new Set(missing.map(maintenanceOf))) await reference(maintenance);
  const queue = missing.values();
  const work = async (): Promise<void> => {
    for (const number of queue) {
      const maintenance = maintenanceOf(number);
      const run = { maintenance, fromStandby: wakes(maintenance) };
      const faults = drawFaults(seed, number, run, await reference(maintenance));
      const result = await oneRun({ number, faults, saved, folder: join(folder, `run-${number}`) });
      results.push(result);
      if (values.results !== undefined) appendFileSync(values.results, `${JSON.stringify(result)}\n`);
      console.log(tellRun(result));
    }
  };
  await Promise.all(Array.from({ length: Number(values.jobs) }, work));
  return results;
}

/** The run that was asked for by its faults. */
async function chosen(texts: readonly string[]): Promise<readonly RunResult[]> {
  if (!isSaved(saved)) await saveStatefulNode(saved);
  const maintenance = values['no-maintenance'] ? 'none' : 'restart';
  const known = await reference(maintenance);
  const faults = texts.map((text) => parseFault(text, known));
  const plan = { seed, maintenance, fromStandby: wakes(maintenance), faults, recordCrash: undefined } as const;
  const result = await oneRun({ number: 0, faults: plan, saved, folder: join(folder, `chosen-${process.pid}`) });
  console.log(tellRun(result));
  return [result];
}

async function results(): Promise<readonly RunResult[]> {
  if (values.tell !== undefined) return readResults(values.tell);
  return values.fault === undefined ? campaign() : chosen(values.fault);
}

const all = await results();
console.log(summarize(all));
process.exitCode = all.every(isGood) ? 0 : 1;
