/** What the verbs that work on a run share: the node, the course of the run on the terminal, signals, the end. */
import { EXIT } from '../engine/exit-codes.ts';
import type { NodePort, Report, RunEnd, RunOptions } from '../engine/index.ts';
import { redactor } from '../engine/run/redact.ts';
import { CommandError } from './command-error.ts';
import type { CliIo } from './io.ts';
import { type OutputTarget, writeReport } from './output-option.ts';
import { readSecrets } from './read-secrets.ts';
import { runLines } from './run-lines.ts';
import { runSignals } from './run-signals.ts';
import { type RunTree, runTree } from './run-tree.ts';

export interface RunSession {
  readonly stateDir: string;
  readonly output: readonly OutputTarget[] | undefined;
  /** JSON report to put beside the one of the run. */
  readonly compare?: string | undefined;
  readonly openNode: () => Promise<NodePort>;
  readonly run: (options: RunOptions) => Promise<RunEnd>;
}

/** Runs, writes the report, sets the exit code. Rejects like the engine's runPlan. */
export async function runSession(session: RunSession, io: CliIo): Promise<void> {
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
  } finally {
    unsubscribe();
    await port.close();
  }
  if (end.kind === 'over') {
    await finish(end.report, session, io);
    // A run that pauses is one trace with what comes after.
    if (telemetry && end.report.run.outcome !== 'paused') {
      for (const problem of await telemetry(end.report, end.journalPath)) io.stderr.write(`telemetry: ${problem}\n`);
    }
  } else if (end.kind === 'waiting') {
    io.stderr.write(`${waitingFor(end, session.stateDir)}\n`);
    io.setExitCode(EXIT.waiting.code);
  } else {
    const { stateDir } = session;
    const back = end.isCommitted ? '' : `, or take it back with: mvctl rollback --state-dir ${stateDir}`;
    io.stderr.write(`stopped; go on with: mvctl resume --state-dir ${stateDir}${back}\n`);
    io.setExitCode(signals.exitCode);
  }
}

function waitingFor({ waiting, plan }: Extract<RunEnd, { kind: 'waiting' }>, stateDir: string): string {
  const { kind, phase, untilMs, approvals } = waiting;
  const until = untilMs === null ? '' : ` until ${new Date(untilMs).toISOString()}`;
  const resume = `mvctl resume --state-dir ${stateDir}`;
  if (kind === 'window') return `${phase} waits for its window${until}; go on then with: ${resume}`;
  const { approvers = [], required = 1, message = '' } = plan.phases.find(({ id }) => id === phase)?.gate ?? {};
  return [
    `${phase} waits for ${required - approvals.length} of ${approvers.join(', ')}${until}${message === '' ? '' : `: ${message}`}`,
    `  mvctl approve ${phase} --as NAME --state-dir ${stateDir}`,
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

export async function finish(
  report: Report,
  session: Partial<Pick<RunSession, 'output' | 'compare'>>,
  io: CliIo,
): Promise<void> {
  await writeReport(await compared(report, session.compare), session.output ?? [], io);
  io.setExitCode(report.run.exitCode);
}

async function compared(report: Report, path: string | undefined): Promise<Report> {
  if (path === undefined) return report;
  const { readReport } = await import('./read-report.ts');
  const { compareReports } = await import('../engine/report/compare-reports.ts');
  return compareReports(report, readReport(path));
}

/** A run that is past its commit goes forward only. */
export const pastCommit = (stateDir: string): CommandError =>
  new CommandError(
    EXIT.committed.code,
    'the run is past its commit: it can only go forward',
    `mvctl resume --state-dir ${stateDir}`,
  );
