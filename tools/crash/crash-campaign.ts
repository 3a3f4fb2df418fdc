/** One crash, a resume, and the comparison with a run that was never killed. */
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { EXIT } from '../../src/engine/exit-codes.ts';
import { type Plan, RunStore, readJournal } from '../../src/engine/index.ts';
import type { ModelFleet } from './model-fleet.ts';
import type { ModelState } from './model-nodes.ts';
import { type CrashPoint, type Ran, runMvctl } from './run-mvctl.ts';

/** How a run ended: its report without the wall clock, and what the node did and is. */
export interface Ending {
  readonly report: string;
  readonly node: ModelState;
  /** Records of the journal. */
  readonly records: number;
}

export interface Campaign {
  readonly fleet: ModelFleet;
  readonly plan: Plan;
  /** Arguments of `mvctl apply` but the state directory. */
  readonly apply: readonly string[];
}

/** The run that is never killed. */
export function reference(campaign: Campaign): Promise<Ending> {
  return onFreshNode(campaign, async (stateDir) => {
    expectExit(await runMvctl('model', ['apply', ...campaign.apply, '--state-dir', stateDir]), EXIT.ok.code);
  });
}

/** Crashes at a point, then goes on as a person would. */
export function crashed(campaign: Campaign, point: CrashPoint): Promise<Ending> {
  const apply = ['apply', ...campaign.apply];
  return onFreshNode(campaign, async (stateDir) => {
    const where = ['--state-dir', stateDir];
    const killed = await runMvctl('model', [...apply, ...where], { crash: point });
    if (point.crash === 'full' || point.crash === 'read-only') expectExit(killed, EXIT.journal.code);
    else if (killed.signal !== 'SIGKILL') throw new Error(`expected SIGKILL, found ${told(killed)}`);
    const resumed = await runMvctl('model', ['resume', ...where]);
    if (resumed.exitCode !== EXIT.nothingToResume.code) return expectExit(resumed, EXIT.ok.code);
    // The begin was not safe, so nothing was done; or the end was, and everything is.
    if (!existsSync(reportPath(stateDir))) expectExit(await runMvctl('model', [...apply, ...where]), EXIT.ok.code);
  });
}

async function onFreshNode({ fleet, plan }: Campaign, work: (stateDir: string) => Promise<void>): Promise<Ending> {
  const stateDir = mkdtempSync(join(tmpdir(), 'mvctl-crash-'));
  try {
    await fleet.start(stateDir, plan);
    await work(stateDir);
    const node = await fleet.tell(stateDir);
    const { journalPath } = new RunStore(stateDir).runs().at(-1)!;
    const { records, tornBytes } = readJournal(journalPath);
    // Nobody opens the journal of a run that is over any more to cut off what stands behind its end.
    if (tornBytes > 0 && records.at(-1)?.type !== 'end')
      throw new Error(`${tornBytes} bytes behind the last record of ${journalPath}`);
    return { report: withoutWallClock(readFileSync(reportPath(stateDir), 'utf8')), node, records: records.length };
  } finally {
    await fleet.stop(stateDir);
    rmSync(stateDir, { recursive: true, force: true });
  }
}

/** Of the last run. */
export const reportPath = (stateDir: string): string =>
  join(dirname(new RunStore(stateDir).runs().at(-1)!.journalPath), 'report.json');

const WALL_CLOCK = new Set(['wallMs', 'startedAt']);

/** What a crash may not change of a report. */
export const withoutWallClock = (report: string): string =>
  JSON.stringify(JSON.parse(report), (key, value: unknown) => (WALL_CLOCK.has(key) ? undefined : value));

function expectExit(ran: Ran, exitCode: number): void {
  if (ran.exitCode !== exitCode) throw new Error(`expected exit code ${exitCode}, found ${told(ran)}`);
}

const told = ({ exitCode, signal, printed }: Ran): string => `${signal ?? exitCode}:\n${printed}`;

/** What differs, for a person; undefined where nothing does. */
export function difference(expected: Ending, found: Ending): string | undefined {
  if (found.report !== expected.report) return `the report differs: expected ${expected.report}, found ${found.report}`;
  const [was, is] = [expected.node, found.node].map((node) => JSON.stringify(node));
  return was === is ? undefined : `the node differs: expected ${was}, found ${is}`;
}
