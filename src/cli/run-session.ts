/** What the verbs that work on a run share: the node, the course of the run on the terminal, signals, the end. */
import { EXIT } from '../engine/exit-codes.ts';
import type { Report, RunEnd, RunOptions } from '../engine/index.ts';
import { redactor } from '../engine/run/redact.ts';
import { CommandError } from './command-error.ts';
import type { CliIo } from './io.ts';
import type { OpenedNode } from './open-node.ts';
import { expectTargets, type OutputTarget, writeReport } from './output-option.ts';
import { readSecrets } from './read-secrets.ts';
import { runLines } from './run-lines.ts';
import { runSignals } from './run-signals.ts';
import { type RunTree, runTree } from './run-tree.ts';
import { shellWord } from './shell-word.ts';

export interface RunSession {
  readonly stateDir: string;
  readonly output: readonly OutputTarget[] | undefined;
  /** JSON report to put beside the one of the run. */
  readonly compare?: string | undefined;
  readonly openNode: () => Promise<OpenedNode>;
  readonly run: (options: RunOptions) => Promise<RunEnd>;
}

/** Runs, writes the report, sets the exit code. Rejects like the engine's runPlan. */
export async function runSession(session: RunSession, io: CliIo): Promise<void> {
  expectTargets(session.output);
  const baseline = await baselineOf(session.compare);
  const telemetry = await telemetryOf(process.env);
  const port = await session.openNode();
  let end: RunEnd;
  using tree: RunTree | undefined = io.stderr.isTTY === true ? runTree(io) : undefined;
  using signals = runSignals(io, (exitCode) => process.exit(exitCode));
  let redact: (line: string) => string = (line) => line;
  const unsubscribe = port.onProgress((line) => tree?.nodeSays(redact(line)));
  try {
    end = await session.run({
      port,
      prepare: port.prepare,
      stateDir: session.stateDir,
      wallNow: io.wallNow,
      onProgress: tree?.listener ?? runLines(io),
      signal: signals.stop,
      rollBack: signals.rollBack,
      readSecrets(plan) {
        const secrets = readSecrets(plan, process.env);
        redact = redactor(secrets) ?? redact;
        return secrets;
      },
    });
  } catch (error) {
    throw await resumable(error, session.stateDir);
  } finally {
    unsubscribe();
    await port.close();
  }
  if (end.kind === 'over') {
    await finish(end.report, baseline, session.output, io);
    // A run that pauses is one trace with what comes after.
    if (telemetry && end.report.run.outcome !== 'paused') {
      for (const problem of await telemetry(end.report, end.journalPath)) io.stderr.write(`telemetry: ${problem}\n`);
    }
  } else if (end.kind === 'waiting') {
    io.stderr.write(`${waitingFor(end, session.stateDir)}\n`);
    io.setExitCode(EXIT.waiting.code);
  } else {
    const at = shellWord(session.stateDir);
    const back = end.isCommitted ? '' : `, or take it back with: mvctl rollback --state-dir ${at}`;
    io.stderr.write(`stopped; go on with: mvctl resume --state-dir ${at}${back}\n`);
    io.setExitCode(signals.exitCode);
  }
}

/** Where a run was left because its node is gone, the error says how it goes on. */
async function resumable(error: unknown, stateDir: string): Promise<unknown> {
  if (!(error instanceof Error) || error.name !== 'NodeUnreachable') return error;
  const { RunStore } = await import('../engine/journal/run-store.ts');
  if (!new RunStore(stateDir).unfinished()) return error;
  const hint = `mvctl resume --state-dir ${shellWord(stateDir)} goes on once the node answers`;
  return new CommandError(EXIT.nodeUnreachable.code, error.message, hint);
}

function waitingFor({ waiting, plan }: Extract<RunEnd, { kind: 'waiting' }>, stateDir: string): string {
  const { kind, phase, untilMs, approvals } = waiting;
  const until = untilMs === null ? '' : ` until ${new Date(untilMs).toISOString()}`;
  const at = shellWord(stateDir);
  const resume = `mvctl resume --state-dir ${at}`;
  if (kind === 'window') return `${phase} waits for its window${until}; go on then with: ${resume}`;
  const { approvers = [], required = 1, message = '' } = plan.phases.find(({ id }) => id === phase)?.gate ?? {};
  return [
    `${phase} waits for ${required - approvals.length} of ${approvers.join(', ')}${until}${message === '' ? '' : `: ${message}`}`,
    `  mvctl approve ${phase} --as NAME --state-dir ${at}`,
    `  then: ${resume}`,
  ].join('\n');
}

type Telemetry = (report: Report, journalPath: string) => Promise<readonly string[]>;

/** Nothing of it is loaded where none is configured. Throws CommandError before a run begins that could not be told. */
async function telemetryOf(env: NodeJS.ProcessEnv): Promise<Telemetry | undefined> {
  if (!Object.keys(env).some((name) => name.startsWith('OTEL_EXPORTER_OTLP'))) return undefined;
  const { otlpConfig } = await import('./telemetry/otlp-config.ts');
  const config = otlpConfig(env);
  if (!config) return undefined;
  const { exportRun } = await import('./telemetry/export-run.ts');
  return (report, journalPath) => exportRun(report, journalPath, config);
}

/** Read before a run begins that it is to stand beside. Rejects with CommandError. */
export async function baselineOf(path: string | undefined): Promise<Report | undefined> {
  return path === undefined ? undefined : (await import('./read-report.ts')).readReport(path);
}

/** What became of the run is what mvctl exits with; that its report could not be written only where that went well. */
export async function finish(
  report: Report,
  baseline: Report | undefined,
  output: readonly OutputTarget[] | undefined,
  io: CliIo,
): Promise<void> {
  const { exitCode } = report.run;
  io.setExitCode(exitCode);
  try {
    await writeReport(await compared(report, baseline), output ?? [], io);
  } catch (error) {
    if (exitCode === EXIT.ok.code || !(error instanceof CommandError)) throw error;
    io.stderr.write(`mvctl: ${error.message}\n`);
  }
}

async function compared(report: Report, baseline: Report | undefined): Promise<Report> {
  if (!baseline) return report;
  const { compareReports } = await import('../engine/report/compare-reports.ts');
  return compareReports(report, baseline);
}

/** A run that is past its commit goes forward only. */
export const pastCommit = (stateDir: string): CommandError =>
  new CommandError(
    EXIT.committed.code,
    'the run is past its commit: it can only go forward',
    `mvctl resume --state-dir ${shellWord(stateDir)}`,
  );
