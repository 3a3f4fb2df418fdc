/**
 * Mutated playbooks, fragments, calendars and tests through validate (with its outputs and fixes), fmt, plan and verify:
 * no exception, no hang. `node tools/fuzz.ts [--count 100000] [--seed 1] [--verify-every 20]`; a file that breaks a promise
 * is written to reports/fuzz and made again by its number: `--only NUMBER`.
 */
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { STARTER } from '../src/cli/starter-playbook.ts';
import { verifyPlan } from '../src/engine/verify/verify-plan.ts';
import { mutated, randomFrom } from './fuzz/mutate.ts';
import { tryFile } from './fuzz/try-file.ts';

const ROOT = join(import.meta.dirname, '..');
const OUT = join(ROOT, 'reports/fuzz');
/** Whatever is written in a file of at most a mebibyte, it is judged within this. */
const CPU_MS_MAX = 5_000;

const { values } = parseArgs({
  options: {
    count: { type: 'string', default: '100000' },
    seed: { type: 'string', default: '1' },
    'verify-every': { type: 'string', default: '20' },
    only: { type: 'string' },
  },
});
const [count, seed, verifyEvery] = [values.count, values.seed, values['verify-every']].map(Number) as [
  number,
  number,
  number,
];

/** Whole playbooks more often than examples of mistakes. */
const whole = [STARTER, ...yamlIn(join(ROOT, 'playbooks'))];
const bases = [
  ...Array(8).fill(whole).flat(),
  ...['playbooks/fragments', 'playbooks/calendars', 'test/engine/diagnostics', 'test/engine/language']
    .flatMap((folder) => yamlIn(join(ROOT, folder)))
    .filter((text) => !text.includes('\0')),
];

function yamlIn(folder: string): readonly string[] {
  try {
    const names = readdirSync(folder).filter((name) => name.endsWith('.yaml'));
    return names.map((name) => readFileSync(join(folder, name), 'utf8'));
  } catch {
    return [];
  }
}

/** A file that a playbook names is one of the others, mostly broken as well. */
function neighbour(path: string): Uint8Array {
  const random = randomFrom(path.length * 31 + (path.codePointAt(path.length >> 1) ?? 0));
  const file = random(3) === 0 ? bases[random(bases.length)]! : mutated(bases, random);
  return typeof file === 'string' ? new TextEncoder().encode(file) : file;
}

let [findings, sound, plans, verified, slowestMs, broken] = [0, 0, 0, 0, 0, 0];
const startedAt = process.cpuUsage();
const [first, last] = values.only === undefined ? [0, count] : [Number(values.only), Number(values.only) + 1];
for (let number = first; number < last; number++) {
  const file = mutated(bases, randomFrom(seed * 1_000_003 + number));
  const before = process.cpuUsage();
  try {
    const tried = tryFile(file, neighbour);
    findings += tried.findings;
    if (tried.findings === 0) sound += 1;
    if (tried.plan) {
      plans += 1;
      if (plans % verifyEvery === 0) {
        await verifyPlan(tried.plan);
        verified += 1;
      }
    }
  } catch (error) {
    tell(number, file, String((error as Error).stack ?? error));
  }
  const { user, system } = process.cpuUsage(before);
  const ms = (user + system) / 1e3;
  slowestMs = Math.max(slowestMs, ms);
  if (ms > CPU_MS_MAX) tell(number, file, `took ${Math.round(ms)} ms of CPU time`);
}

function tell(number: number, file: Uint8Array | string, what: string): void {
  broken += 1;
  mkdirSync(OUT, { recursive: true });
  writeFileSync(join(OUT, `${seed}-${number}.yaml`), file);
  console.log(`${seed}-${number}.yaml: ${what.split('\n').slice(0, 6).join('\n  ')}`);
}

const { user, system } = process.cpuUsage(startedAt);
console.log(
  `${last - first} files, seed ${seed}: ${broken} broke a promise; ${findings} findings, ${sound} files without any, ` +
    `${plans} planned, ${verified} verified; slowest ${Math.round(slowestMs)} ms, ${((user + system) / 1e6).toFixed(1)} s of CPU time`,
);
if (broken > 0) process.exitCode = 1;
