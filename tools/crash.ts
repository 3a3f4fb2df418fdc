/**
 * Ends `mvctl apply` at every record of its journal, goes on, and compares the end with a run that was never killed:
 *
 *   node tools/crash.ts [PLAYBOOK] [--every N] [--crash before,after,…] [--jobs N] [--emulated]
 *
 * Real processes, real SIGKILL. The node is a model of its own process behind the real socket; with --emulated it is the
 * emulated node with Debian in it, once, and the engine is killed after every record of that one run.
 */
import { parseArgs } from 'node:util';
import { type Campaign, crashed, difference, reference } from './crash/crash-campaign.ts';
import { crashEmulated } from './crash/crash-emulated.ts';
import { CRASHES, type Crash } from './crash/kill-at-record.ts';
import { ModelFleet } from './crash/model-fleet.ts';
import { onlinePlan } from './crash/plan-of.ts';
import type { CrashPoint } from './crash/run-mvctl.ts';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    every: { type: 'string', default: '1' },
    crash: { type: 'string', default: CRASHES.join(',') },
    jobs: { type: 'string', default: '2' },
    emulated: { type: 'boolean', default: false },
  },
});

const [playbook = 'playbooks/online-os-upgrade.yaml'] = positionals;
const startedAt = Date.now();
const problems = values.emulated ? await crashEmulated(playbook) : await crashModel();
for (const problem of problems) console.error(problem);
console.log(`${problems.length} problems, ${Math.round((Date.now() - startedAt) / 1000)} s`);
process.exitCode = problems.length > 0 ? 1 : 0;

async function crashModel(): Promise<readonly string[]> {
  const { plan, vars } = onlinePlan(playbook);
  using fleet = new ModelFleet();
  const campaign: Campaign = { fleet, plan, apply: [playbook, ...vars] };
  const expected = await reference(campaign);
  const points = values.crash
    .split(',')
    .flatMap((crash) =>
      Array.from(
        { length: expected.records },
        (_, index): CrashPoint => ({ crash: crash as Crash, record: index + 1 }),
      ).filter(({ record }) => record % Number(values.every) === 0),
    );
  console.log(`${playbook}: ${expected.records} records in the journal, ${points.length} points to try`);
  const found: string[] = [];
  const tried = new Map<string, number>();
  const queue = points.values();
  const worker = async (): Promise<void> => {
    for (const point of queue) {
      const problem = await tryPoint(campaign, point, (ending) => difference(expected, ending));
      if (problem !== undefined) found.push(`${point.crash} record ${point.record}: ${problem}`);
      tried.set(point.crash, (tried.get(point.crash) ?? 0) + 1);
    }
  };
  await Promise.all(Array.from({ length: Number(values.jobs) }, worker));
  for (const [crash, count] of tried) console.log(`  ${crash.padEnd(10)} ${count} points tried`);
  console.log(`  ${[...tried.values()].reduce((sum, count) => sum + count, 0)} points in all`);
  return found;
}

async function tryPoint(
  campaign: Campaign,
  point: CrashPoint,
  judge: (ending: Awaited<ReturnType<typeof crashed>>) => string | undefined,
): Promise<string | undefined> {
  try {
    return judge(await crashed(campaign, point));
  } catch (error) {
    return (error as Error).message;
  }
}
