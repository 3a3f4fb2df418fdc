/** One run of the playbook with faults in it, from a woken node to the verdict. */
import { type ChildProcess, fork } from 'node:child_process';
import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { EXIT, type Report, RunStore, readJournal } from '../../src/engine/index.ts';
import { describeFaults, type Fault, type Maintenance, type Reference, type RunFaults } from './fault.ts';
import type { Circumstances, FromNode, ToNode } from './faulty-node.ts';
import { judge } from './judge.ts';
import { ROOT, startMvctl } from './mvctl-process.ts';
import { copySavedNode, STANDBY } from './saved-node.ts';

const PLAYBOOK = join(ROOT, 'playbooks/stateful-os-upgrade.yaml');
/** What `mvctl apply` is told. */
const PLAYBOOK_ARGUMENTS: Readonly<Record<Maintenance, readonly string[]>> = {
  restart: [PLAYBOOK, '--var', 'install=false'],
  upgrade: [PLAYBOOK, '--var', 'install=true'],
  none: [join(import.meta.dirname, 'no-maintenance.yaml')],
};
const FROM_STANDBY = ['--var', `standby=${STANDBY}`];
const FAULTY_NODE = join(import.meta.dirname, 'faulty-node.ts');

/** Killed, paused, or the node did not answer: whatever watches over mvctl starts it again. */
const RESUMED: ReadonlySet<number | null> = new Set([null, EXIT.paused.code, EXIT.nodeUnreachable.code]);
const RESUMES_MAX = 6;
/** Node time until mvctl is there again: what a supervisor and its start take. */
const RESTART_NS = 300_000_000;

/** A line of the results. */
export interface RunResult {
  readonly run: number;
  readonly seed: number;
  readonly maintenance: Maintenance;
  readonly fromStandby: boolean;
  readonly fault: string;
  /** Of each fault that came to pass, in order; times are node milliseconds from the begin of the run. */
  readonly happened: readonly Happened[];
  readonly exitCode: number | null;
  /** How often mvctl was started again. */
  readonly resumes: number;
  readonly acknowledged: number;
  readonly lost: readonly string[];
  readonly safe: boolean;
  /** Slots in which the client had no answer; null where the client went with the node. */
  readonly downtimeMs: number | null;
  readonly longestGapMs: number | null;
  /** After a loss of power of the node: from power-on to the first answer. */
  readonly rebootMs: number | null;
  readonly wallS: number;
}

export interface Happened {
  readonly fault: string;
  readonly atMs: number;
  readonly phase: string;
  readonly step: string;
  readonly holder: string;
  readonly up: readonly string[];
}

export interface OneRunOptions {
  readonly number: number;
  readonly faults: RunFaults;
  readonly saved: string;
  /** Removed first; kept where the run is not as it should be. */
  readonly folder: string;
  readonly keeps?: boolean;
}

export async function oneRun({ number, faults, saved, folder, keeps = false }: OneRunOptions): Promise<RunResult> {
  const startedAt = Date.now();
  rmSync(folder, { recursive: true, force: true });
  const stateDir = join(folder, 'node');
  const reportPath = join(folder, 'report.json');
  copySavedNode(saved, stateDir, faults.seed);
  const output = ['--state-dir', stateDir, '--output', `json=${reportPath}`];
  const node = await startNode(saved, stateDir, faults.faults);
  const playbook = [...PLAYBOOK_ARGUMENTS[faults.maintenance], ...(faults.fromStandby ? FROM_STANDBY : [])];
  const apply = ['apply', ...playbook, ...output];
  let mvctl = startMvctl(apply, faults.recordCrash);
  node.onFault = (fault) => {
    const isThere = mvctl.child.exitCode === null && mvctl.child.signalCode === null;
    if (fault.kind === 'kill mvctl' && isThere) mvctl.child.kill('SIGKILL');
    else if (fault.kind === 'kill mvctl') node.release();
    if (fault.kind === 'power cut') node.child.kill('SIGKILL');
  };
  let end = await mvctl.ended;
  let printed = end.printed;
  let resumes = 0;
  for (; resumes < RESUMES_MAX && RESUMED.has(end.exitCode); resumes++) {
    await node.goOn(RESTART_NS);
    mvctl = startMvctl(['resume', ...output]);
    end = await mvctl.ended;
    printed += end.printed;
  }
  await node.note();
  const verdict = await judge(stateDir);
  node.child.kill('SIGKILL');
  const service = reportOf(reportPath)?.service ?? null;
  const journal = journalOf(stateDir);
  const result: RunResult = {
    run: number,
    seed: faults.seed,
    maintenance: faults.maintenance,
    fromStandby: faults.fromStandby,
    fault: describeFaults(faults),
    happened: node.happened.map(([fault, circumstances]) => ({
      fault: describeFaults({ ...faults, faults: [fault], recordCrash: undefined }),
      atMs: (circumstances.atNs - journal.beganNs) / 1e6,
      ...journal.doing(circumstances.atNs),
      holder: circumstances.holder ?? 'nobody',
      up: circumstances.up,
    })),
    exitCode: end.exitCode,
    resumes,
    acknowledged: verdict.acknowledged,
    lost: verdict.lost,
    safe: verdict.safe,
    downtimeMs: service?.downtimeMs ?? null,
    longestGapMs: service?.longestGapMs ?? null,
    rebootMs: journal.rebootMs,
    wallS: Math.round((Date.now() - startedAt) / 1000),
  };
  if (!isGood(result)) console.log(printed);
  else if (!keeps) rmSync(folder, { recursive: true, force: true });
  return result;
}

const SAFE_ENDS: ReadonlySet<number | null> = new Set([EXIT.ok.code, EXIT.rolledBack.code, EXIT.failedSafe.code]);

/** Nothing lost, and the engine came to a safe end by itself. */
export const isGood = ({ lost, safe, exitCode }: RunResult): boolean =>
  lost.length === 0 && safe && SAFE_ENDS.has(exitCode);

interface FaultyNode {
  readonly child: ChildProcess;
  readonly happened: (readonly [Fault, Circumstances])[];
  /** Told of each fault when it happens. */
  onFault: (fault: Fault) => void;
  release(): void;
  goOn(ns: number): Promise<void>;
  note(): Promise<void>;
}

async function startNode(saved: string, stateDir: string, faults: readonly Fault[]): Promise<FaultyNode> {
  const child = fork(FAULTY_NODE, [saved, stateDir, JSON.stringify(faults)], {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  });
  const waiting = new Map<FromNode['type'], () => void>();
  /** Asks, and waits for the answer; a node that is gone needs no answer. */
  const ask = async (message: ToNode | undefined, answer: FromNode['type']): Promise<void> => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    const gone = new Promise<void>((resolve) => child.once('exit', () => resolve()));
    const answered = new Promise<void>((resolve) => waiting.set(answer, resolve));
    if (message !== undefined) child.send(message);
    await Promise.race([answered, gone]);
  };
  const node: FaultyNode = {
    child,
    happened: [],
    onFault: () => {},
    release: () => child.send({ type: 'release' } satisfies ToNode),
    goOn: (ns) => ask({ type: 'go-on', ns }, 'gone-on'),
    note: () => ask({ type: 'note' }, 'noted'),
  };
  child.on('message', (message: FromNode) => {
    if (message.type === 'fault') {
      const fault = faults[message.index]!;
      node.happened.push([fault, message.circumstances]);
      node.onFault(fault);
    } else waiting.get(message.type)?.();
  });
  await ask(undefined, 'ready');
  return node;
}

const reportOf = (path: string): Report | undefined => {
  try {
    return JSON.parse(readFileSync(path, 'utf8')) as Report;
  } catch {
    return undefined;
  }
};

export interface ReferenceOptions {
  readonly saved: string;
  readonly folder: string;
  readonly seed: number;
  readonly maintenance: Maintenance;
  readonly fromStandby: boolean;
}

/** The run without a fault, which has to succeed. */
export async function referenceRun({ saved, folder, ...of }: ReferenceOptions): Promise<Reference> {
  const faults = { ...of, faults: [], recordCrash: undefined };
  const result = await oneRun({ number: 0, faults, saved, folder, keeps: true });
  if (!isGood(result) || result.exitCode !== EXIT.ok.code)
    throw new Error(`without a fault: ${JSON.stringify(result)}`);
  console.log(`without a fault: ${result.downtimeMs} ms of downtime, ${result.wallS} s`);
  const { intents, records } = journalOf(join(folder, 'node'));
  rmSync(folder, { recursive: true, force: true });
  return {
    steps: Object.fromEntries(intents.map(({ key, atNs }) => [key.split('/').at(-2), atNs])),
    endNs: intents.at(-1)!.atNs,
    records: records.length,
  };
}

/** What the journal tells of instants. */
function journalOf(stateDir: string) {
  const run = new RunStore(stateDir).runs().at(-1);
  const records = run === undefined ? [] : readJournal(run.journalPath).records;
  const lostAt = records.findLastIndex((record) => record.type === 'event' && record.event.type === 'node.lost-power');
  // Node time begins anew with the power.
  const before = lostAt < 0 ? records : records.slice(0, lostAt);
  const phases = before.flatMap((record) => (record.type === 'phase' ? [record] : []));
  const intents = before.flatMap((record) => (record.type === 'intent' ? [record] : []));
  const beganNs = phases[0]?.atNs ?? 0;
  const checked = records
    .slice(lostAt)
    .find((record) => record.type === 'event' && record.event.type === 'xstate.done.actor.check');
  return {
    records,
    intents,
    beganNs,
    rebootMs: lostAt < 0 || checked?.type !== 'event' ? null : checked.atNs / 1e6,
    doing: (atNs: number): { readonly phase: string; readonly step: string } => ({
      phase: phases.findLast((record) => record.edge === 'start' && record.atNs <= atNs)?.phase ?? 'none',
      step:
        intents
          .findLast((record) => record.atNs <= atNs)
          ?.key.split('/')
          .slice(1)
          .join('/') ?? 'none',
    }),
  };
}
