/**
 * Runs playbooks/stateful-os-upgrade.yaml again and again on one node, each time with a fault at a random instant, and
 * checks after each run that no acknowledged record is lost:
 * `node tools/faults.ts [--runs 100] [--seed 1] [--state-dir DIR] [--upgrade]`. Without `--upgrade` the OS is restarted and not
 * upgraded: the same way of the store, in a third of the time.
 *
 * Faults: the kernel of either guest panics, either guest loses its power without a sync, mvctl is killed. A run that waits
 * for somebody is resumed; where nobody can help it any more the node loses its power and boots again.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { type ActOutcome, EXIT } from '../src/engine/index.ts';
import { connectNode, type RemoteNode } from '../src/node/index.ts';
import { seededRandom } from '../src/node/seeded-random.ts';
import { createStateDirectory } from '../src/node/state-directory.ts';

const root = join(import.meta.dirname, '..');
const { values } = parseArgs({
  options: {
    runs: { type: 'string', default: '100' },
    seed: { type: 'string', default: '1' },
    'state-dir': { type: 'string' },
    upgrade: { type: 'boolean', default: false },
  },
});

const FAULTS = ['panic old', 'panic new', 'power-off old', 'power-off new', 'kill mvctl'] as const;
type Fault = (typeof FAULTS)[number];

/** Node time from the begin of a run in which the fault falls: all of it from virtualize to devirtualize. */
const WINDOW_MS = values.upgrade ? 35_000 : 11_000;
const POLL_MS = 5;
const RESUMES_MAX = 5;
/** Killed, paused, or the node did not answer. */
const RESUMED: ReadonlySet<number | null> = new Set([null, EXIT.paused.code, EXIT.nodeUnreachable.code]);
const KEYS_AT_ONCE = 500;
const DEADLINE_MS = 3_000;

const bytes = seededRandom(Number(values.seed));
const random = (): number => Buffer.from(bytes(4)).readUInt32LE() / 2 ** 32;
const stateDir = values['state-dir'] ?? mkdtempSync(join(tmpdir(), 'mvctl-faults-'));
const report = join(stateDir, '..', `faults-${process.pid}.json`);

interface Finished {
  readonly exitCode: number | null;
  readonly printed: string;
}

function mvctl(args: readonly string[]): { readonly child: ChildProcess; readonly finished: Promise<Finished> } {
  const child = spawn(process.execPath, [join(root, 'src/cli/main.ts'), ...args], { cwd: root });
  let printed = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (printed += chunk));
  return {
    child,
    finished: new Promise((resolve) => child.once('close', (exitCode) => resolve({ exitCode, printed }))),
  };
}

const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** What a person with a root shell on the guest's console would type. */
const SYSRQ = { panic: 'echo c >/proc/sysrq-trigger\r', 'power-off': 'echo o >/proc/sysrq-trigger\r' } as const;

/** Brings the fault about; undefined when the run was over, or the node bare, before its instant came. */
async function inject(fault: Fault, afterMs: number, child: ChildProcess): Promise<number | undefined> {
  let beganNs: number | undefined;
  while (child.exitCode === null) {
    await sleep(POLL_MS);
    // Only the run starts the node.
    if (!existsSync(createStateDirectory(stateDir).socket)) continue;
    const node = await connectNode({ stateDir }).catch(() => undefined);
    if (node === undefined) continue;
    try {
      const { nowNs, facts } = await node.status();
      if (facts['virtualized'] !== true) continue;
      beganNs ??= nowNs;
      if (nowNs < beganNs + afterMs * 1e6) continue;
      if (fault === 'kill mvctl') child.kill('SIGKILL');
      else {
        const [what = 'panic', who] = fault.split(' ');
        const old = facts['bootSide'] === 'B' ? 'B' : 'A';
        const side = who === 'old' ? old : old === 'A' ? 'B' : 'A';
        await node.consoleInput(side, SYSRQ[what as 'panic']);
      }
      return (nowNs - beganNs) / 1e6;
    } catch {
      // The node went away under the question; the run tells why.
    } finally {
      await node.close();
    }
  }
  return undefined;
}

/** The run's own epoch: what is asked here must not fence a later run off. */
const epoch = (): number => Number(readFileSync(join(stateDir, 'epoch'), 'utf8'));
let asked = 0;

async function act(
  node: RemoteNode,
  primitive: 'service.records' | 'guest.run' | 'node.boot',
  args: object,
): Promise<ActOutcome> {
  asked += 1;
  const key = `faults-${process.pid}/${asked}`;
  return node.act({ primitive, args: args as never, key, epoch: epoch() });
}

interface Judged {
  readonly acknowledged: number;
  readonly lost: readonly string[];
  readonly rebooted: boolean;
}

/** Looks for every record that the run's prober saw acknowledged. */
async function judge(): Promise<Judged> {
  const node = await connectNode({ stateDir });
  const found = await act(node, 'service.records', { deadlineMs: DEADLINE_MS });
  if (found.ok) {
    const { acknowledged, lost } = found.result as { acknowledged: number; lost: string[] };
    await node.close();
    return { acknowledged, lost, rebooted: false };
  }
  const details = (found.error.details ?? {}) as { readonly acknowledged?: string[] };
  if (details.acknowledged === undefined) throw new Error(`records: ${found.error.code}: ${found.error.message}`);
  await node.shutDown();
  await node.close();
  return { ...(await judgeRebooted(details.acknowledged)), rebooted: true };
}

async function judgeRebooted(keys: readonly string[]): Promise<Omit<Judged, 'rebooted'>> {
  const node = await connectNode({ stateDir });
  const booted = await act(node, 'node.boot', {});
  if (!booted.ok) throw new Error(`the node does not boot: ${booted.error.message}`);
  const lost: string[] = [];
  for (let from = 0; from < keys.length; from += KEYS_AT_ONCE) {
    const some = keys.slice(from, from + KEYS_AT_ONCE);
    const script = '/usr/local/sbin/mv-store start; exec valkey-cli EXISTS "$@"';
    const argv = ['/bin/sh', '-c', script, 'records', ...some];
    const run = await act(node, 'guest.run', { guest: 'old', argv, env: {}, expectExit: [0] });
    const there = run.ok ? Number((run.result as { stdout: string }).stdout.trim()) : 0;
    if (there !== some.length) lost.push(`${some.length - there} of ${some[0]} to ${some.at(-1)}`);
  }
  await node.close();
  return { acknowledged: keys.length, lost };
}

const downtimesMs: number[] = [];
const outcomes = new Map<string, number>();
let failed = 0;
let acknowledgedInAll = 0;

for (let run = 1; run <= Number(values.runs); run++) {
  const fault = FAULTS[Math.floor(random() * FAULTS.length)] ?? 'kill mvctl';
  const afterMs = random() * WINDOW_MS;
  const output = ['--state-dir', stateDir, '--output', `json=${report}`];
  const install = `install=${values.upgrade}`;
  const first = mvctl(['apply', join(root, 'playbooks/stateful-os-upgrade.yaml'), '--var', install, ...output]);
  const atMs = await inject(fault, afterMs, first.child);
  let end = await first.finished;
  for (let resumes = 0; resumes < RESUMES_MAX && RESUMED.has(end.exitCode); resumes++) {
    end = await mvctl(['resume', ...output]).finished;
  }
  const outcome = `exit ${end.exitCode}`;
  outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1);
  const judged = await judge();
  acknowledgedInAll += judged.acknowledged;
  if (end.exitCode === 0) downtimesMs.push(JSON.parse(readFileSync(report, 'utf8')).service.downtimeMs);
  const isGood = judged.lost.length === 0;
  if (!isGood) failed += 1;
  const when = atMs === undefined ? 'did not come to pass' : `at ${atMs.toFixed(1)} ms`;
  console.log(
    `${isGood ? 'ok  ' : 'LOST'} run ${run}: ${fault} ${when}, ${outcome}${judged.rebooted ? ', power-cycled' : ''}, ` +
      `${judged.acknowledged} acknowledged, ${judged.lost.length === 0 ? 'none lost' : judged.lost.join('; ')}`,
  );
  if (end.exitCode !== EXIT.ok.code && end.exitCode !== EXIT.rolledBack.code && !judged.rebooted) {
    // Neither done nor taken back: whoever is called up would power the node off and on.
    const node = await connectNode({ stateDir });
    await node.shutDown();
    await node.close();
  }
}

const sorted = downtimesMs.toSorted((a, b) => a - b);
const rank = (percent: number): number | undefined =>
  sorted[Math.max(0, Math.ceil((percent / 100) * sorted.length) - 1)];
console.log(`outcomes ${JSON.stringify(Object.fromEntries(outcomes))}`);
console.log(
  `downtime of ${sorted.length} runs that succeeded: p50 ${rank(50)} ms, p99 ${rank(99)} ms, max ${rank(100)} ms`,
);
console.log(`${acknowledgedInAll} records acknowledged, runs with a loss: ${failed} of ${values.runs}`);
const node = await connectNode({ stateDir });
await node.shutDown();
await node.close();
rmSync(report, { force: true });
if (values['state-dir'] === undefined) rmSync(stateDir, { recursive: true, force: true });
process.exitCode = failed === 0 ? 0 : 1;
