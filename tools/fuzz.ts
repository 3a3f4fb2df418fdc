/**
 * Mutated playbooks, fragments, calendars and tests through validate (with its outputs and fixes), fmt, plan and verify:
 * no exception, no hang. `node tools/fuzz.ts [--count 100000] [--seed 1] [--states 200] [--whole-every 100]`: verify looks at
 * so many states of each plan, and at all of them now and then. A file that breaks a promise is written to reports/fuzz
 * and made again by its number: `--only NUMBER`.
 */
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { STARTER } from '../src/cli/starter-playbook.ts';
import { stepsOf } from '../src/engine/plan/plan.ts';
import { counterTests } from '../src/engine/verify/counter-test.ts';
import { STATES_MAX } from '../src/engine/verify/explore.ts';
import { renderVerification } from '../src/engine/verify/render-verification.ts';
import { type Verification, verifyPlan } from '../src/engine/verify/verify-plan.ts';
import { mutated, randomFrom } from './fuzz/mutate.ts';
import { smallPlaybook } from './fuzz/small-playbook.ts';
import { tryFile } from './fuzz/try-file.ts';

const ROOT = join(import.meta.dirname, '..');
const OUT = join(ROOT, 'reports/fuzz');
/** Whatever is written in a file of at most a mebibyte, it is judged within this. */
const CPU_MS_MAX = 5_000;
/** A playbook whose every state is seen. */
const WHOLE_CPU_MS_MAX = 60_000;

const { values } = parseArgs({
  options: {
    count: { type: 'string', default: '100000' },
    seed: { type: 'string', default: '1' },
    states: { type: 'string', default: '200' },
    'whole-every': { type: 'string', default: '100' },
    only: { type: 'string' },
  },
});
const [count, seed, statesMax, wholeEvery] = [values.count, values.seed, values.states, values['whole-every']].map(
  Number,
) as [number, number, number, number];
/** Files after which it says how far it is. */
const TELL_EVERY = 10_000;
/** Playbooks that can be seen whole. */
const SMALL = 100;

/** Playbooks that make sense more often than examples of mistakes. */
const sensible = [STARTER, ...yamlIn(join(ROOT, 'playbooks'))];
const bases = [
  ...Array(8).fill(sensible).flat(),
  ...Array.from({ length: SMALL }, (_, number) => smallPlaybook(randomFrom(number))),
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

let [findings, sound, plans, whole, violations, slowestMs, broken] = [0, 0, 0, 0, 0, 0, 0];
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
      const verification = await verifyPlan(tried.plan, plans % wholeEvery === 0 ? STATES_MAX : statesMax);
      violations += verification.violations.length;
      if (verification.isComplete) whole += 1;
      tellStories(verification);
    }
  } catch (error) {
    tell(number, file, String((error as Error).stack ?? error));
  }
  const { user, system } = process.cpuUsage(before);
  const ms = (user + system) / 1e3;
  slowestMs = Math.max(slowestMs, ms);
  if ((number + 1) % TELL_EVERY === 0 && number + 1 < last) console.log(summary(number + 1));
  if (ms > (plans % wholeEvery === 0 ? WHOLE_CPU_MS_MAX : CPU_MS_MAX))
    tell(number, file, `took ${Math.round(ms)} ms of CPU time`);
}

function summary(files: number): string {
  const { user, system } = process.cpuUsage(startedAt);
  const seconds = ((user + system) / 1e6).toFixed(1);
  return (
    `${files} files, seed ${seed}: ${broken} broke a promise; ${findings} findings, ${sound} files without any, ` +
    `${plans} planned and verified, ${whole} of them whole, with ${violations} violations; ` +
    `slowest ${Math.round(slowestMs)} ms, ${seconds} s of CPU time`
  );
}

/** As verify prints them, and writes them as tests. */
function tellStories(verification: Verification): void {
  renderVerification(verification, { color: false, file: verification.plan.file });
  counterTests(verification.plan, stepsOf(verification.plan), verification.violations);
}

function tell(number: number, file: Uint8Array | string, what: string): void {
  broken += 1;
  mkdirSync(OUT, { recursive: true });
  writeFileSync(join(OUT, `${seed}-${number}.yaml`), file);
  console.log(`${seed}-${number}.yaml: ${what.split('\n').slice(0, 6).join('\n  ')}`);
}

console.log(summary(last - first));
if (broken > 0) process.exitCode = 1;
