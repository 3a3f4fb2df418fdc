/** Stage 6: what a run remembers and what the node measured to a report. Nothing in it is made up: unknown is null. */
import { exitCodeOf, type Outcome } from '../exit-codes.ts';
import { ExpressionFailure } from '../expression/scope.ts';
import type { JournalRecord } from '../generated/journal.ts';
import type {
  Report,
  ReportGuestOs,
  ReportLoad,
  ReportMicrovisor,
  ReportPhase,
  ReportService,
  ReportStep,
} from '../generated/report.ts';
import type { LoadMeasurement, MicrovisorMeasurement, NodePort, ServiceMeasurement } from '../node-port.ts';
import { NodeUnreachable } from '../node-port.ts';
import { type Plan, type PlannedStep, RECOVERY_PHASE, ROLLBACK_PHASE, runIdOf, stepsOf } from '../plan/plan.ts';
import type { GuestFacts, PrimitiveResult } from '../primitives.ts';
import { reportAccounts } from '../report/guest-accounts.ts';
import { phaseStartsMs, reportTimeline } from '../report/timeline.ts';
import { Evaluator } from '../statechart/evaluator.ts';
import type { PhaseLedger, RunContext } from '../statechart/run-context.ts';

export interface ReportSource {
  readonly plan: Plan;
  readonly context: RunContext;
  readonly outcome: Outcome;
  readonly clock: 'virtual' | 'realtime';
  readonly port: NodePort;
  /** Wall clock, in milliseconds. */
  readonly startedMs: number;
  readonly wallNow: () => number;
  readonly records: readonly JournalRecord[];
  readonly isDryRun: boolean;
}

const MS = 1e6;

export async function assembleReport(source: ReportSource): Promise<Report> {
  const { plan, context, outcome, port } = source;
  const ledgers = context.phases;
  const fromNs = ledgers[0]?.startNs ?? context.beganNs;
  const toNs = ledgers.at(-1)?.endNs ?? context.nowNs;
  const wallMs = phaseWallMs(source.records);
  // What the prober saw before a loss of power is gone, and the rest is not the whole.
  const isWhole = context.hasBegun && context.powerLosses === 0;
  return {
    apiVersion: 'mvctl/v1',
    kind: 'Report',
    run: {
      id: runIdOf(plan),
      playbook: plan.name,
      playbookSha256: plan.playbookSha256,
      planSha256: plan.sha256,
      outcome,
      exitCode: exitCodeOf(outcome, context.failure?.code),
      startedAt: new Date(source.startedMs).toISOString(),
      nodeMs: ledgers.reduce((sum, { startNs, endNs }) => sum + ((endNs ?? context.nowNs) - startNs) / MS, 0),
      wallMs: Math.round(source.wallNow() - source.startedMs),
      dryRun: source.isDryRun,
    },
    clock: source.clock,
    service: isWhole ? await measured(() => serviceOf(port, fromNs, toNs)) : null,
    os: { before: guestOs(context.osBefore), after: guestOs(context.osAfter) },
    phases: await phasesOf(source, wallMs),
    timeline: isWhole
      ? await measured(async () => reportTimeline(await port.measureTimeline(fromNs, toNs), fromNs))
      : null,
    microvisor: microvisorOf(
      plan,
      context,
      isWhole ? await measured(() => port.measureMicrovisor(fromNs, toNs)) : null,
    ),
    failure: context.failure ? { ...context.failure, file: context.failure.file ?? plan.file } : null,
    undone: [...context.undone],
    leftOver: [...context.leftOver],
    outputs: outcome === 'succeeded' ? outputsOf(plan, context) : null,
    budgets: context.exceeded.map(({ atNs, ...budget }) => ({ ...budget, atMs: (atNs - fromNs) / MS })),
  };
}

/** What the run tells, or null where it cannot be told. */
function outputsOf(plan: Plan, context: RunContext): Report['outputs'] {
  try {
    return new Evaluator(plan).playbookOutputs(context);
  } catch (error) {
    if (error instanceof ExpressionFailure) return null;
    throw error;
  }
}

async function phasesOf(source: ReportSource, wallMs: ReadonlyMap<number, number>): Promise<ReportPhase[]> {
  const { plan, context } = source;
  const phases: ReportPhase[] = [];
  const starts = phaseStartsMs(context.phases, context.nowNs);
  for (const { id, title, steps } of plan.phases) {
    const position = context.phases.findIndex((ledger) => ledger.id === id);
    const ledger = context.phases[position];
    const startMs = starts[position] ?? null;
    phases.push(await phaseOf(source, { id, title, ledger, steps, startMs, wallMs: wallMs.get(position) ?? 0 }));
  }
  for (const [position, ledger] of context.phases.entries()) {
    if (ledger.id !== ROLLBACK_PHASE && ledger.id !== RECOVERY_PHASE) continue;
    const title = ledger.id === ROLLBACK_PHASE ? 'Take back what was done' : 'Boot after the loss of power';
    const startMs = starts[position] ?? null;
    phases.push(
      await phaseOf(source, { id: ledger.id, title, ledger, steps: [], startMs, wallMs: wallMs.get(position) ?? 0 }),
    );
  }
  return phases;
}

interface PhaseParts {
  readonly id: string;
  readonly title: string;
  readonly ledger: PhaseLedger | undefined;
  readonly steps: readonly PlannedStep[];
  readonly startMs: number | null;
  readonly wallMs: number;
}

async function phaseOf(
  source: ReportSource,
  { id, title, ledger, steps, startMs, wallMs }: PhaseParts,
): Promise<ReportPhase> {
  const { port, context, outcome } = source;
  const endNs = ledger ? (ledger.endNs ?? context.nowNs) : 0;
  // The prober starts with a run: after a loss of power nobody asks any more.
  const isKnown = context.powerLosses === 0;
  const seen = ledger && isKnown ? await measured(() => port.measureService(ledger.startNs, endNs)) : null;
  const entries = ledger && isKnown ? await measured(() => port.measureMicrovisor(ledger.startNs, endNs)) : null;
  return {
    id,
    title,
    outcome: phaseOutcome(id, ledger, context, outcome),
    startMs,
    nodeMs: ledger ? (endNs - ledger.startNs) / MS : 0,
    wallMs,
    downtimeMs: seen?.downtimeMs ?? null,
    longestGapMs: seen?.longestGapMs ?? null,
    requests: seen?.requests ?? null,
    failed: seen?.failed ?? null,
    latencyMs: seen?.latencyMs ? { ...seen.latencyMs } : null,
    traps: entries ? { ...entries.traps } : null,
    guests: entries ? reportAccounts(entries) : null,
    steps: steps.map((step) => reportStep(step, context, { startMs, startNs: ledger?.startNs ?? 0 })),
  };
}

function phaseOutcome(
  id: string,
  ledger: PhaseLedger | undefined,
  context: RunContext,
  outcome: Outcome,
): ReportPhase['outcome'] {
  if (!ledger) return 'not-reached';
  // What goes back is followed by what goes back further, or by the end.
  if (id === ROLLBACK_PHASE || id === RECOVERY_PHASE)
    return outcome === 'failed-dirty' && ledger === context.phases.at(-1) ? 'failed' : 'succeeded';
  if (context.failure?.phase !== id) return 'succeeded';
  return outcome === 'paused' ? 'paused' : 'failed';
}

function reportStep(
  { id, uses, index }: PlannedStep,
  context: RunContext,
  phase: { readonly startMs: number | null; readonly startNs: number },
): ReportStep {
  const ledger = context.steps[index];
  return {
    id,
    uses,
    outcome: ledger?.outcome ?? 'not-reached',
    attempts: ledger?.attempts ?? 0,
    startMs: ledger && phase.startMs !== null ? phase.startMs + (ledger.startNs - phase.startNs) / MS : null,
    nodeMs: ledger ? (ledger.endNs - ledger.startNs) / MS : 0,
  };
}

async function serviceOf(port: NodePort, fromNs: number, toNs: number): Promise<ReportService> {
  const { latencyMs, load, ...seen }: ServiceMeasurement = await port.measureService(fromNs, toNs);
  const copied = latencyMs ? { ...latencyMs } : null;
  const { short, keepAlive, download } = load ?? {};
  if (!short || !keepAlive || !download) return { ...seen, latencyMs: copied, load: null };
  return {
    ...seen,
    latencyMs: copied,
    load: { short: loadOf(short), keepAlive: loadOf(keepAlive), download: loadOf(download) },
  };
}

const loadOf = ({ failures, latencyMs, ...counts }: LoadMeasurement): ReportLoad => ({
  ...counts,
  failures: { ...failures },
  latencyMs: latencyMs ? { ...latencyMs } : null,
});

/** A node that lost its power may have lost what it measured. */
async function measured<Value>(measure: () => Promise<Value>): Promise<Value | null> {
  try {
    return await measure();
  } catch (error) {
    if (error instanceof NodeUnreachable) return null;
    throw error;
  }
}

const guestOs = (facts: GuestFacts | null): ReportGuestOs | null =>
  facts && { kernel: facts.kernel, osRelease: { ...facts.osRelease }, packages: { ...facts.packages } };

function microvisorOf(plan: Plan, context: RunContext, used: MicrovisorMeasurement | null): ReportMicrovisor | null {
  const steps = stepsOf(plan);
  if (!steps.some(({ uses }) => uses === 'microvisor.virtualize')) return null;
  /** Results of a kind of step; undoing virtualize is a devirtualize. */
  const resultsOf = (uses: string): readonly { readonly endNs: number; readonly result: unknown }[] =>
    context.results.filter(({ index, isUndo }) =>
      isUndo
        ? uses === 'microvisor.devirtualize' && steps[index]!.uses === 'microvisor.virtualize'
        : steps[index]!.uses === uses,
    );
  const virtualized = resultsOf('microvisor.virtualize')[0];
  const devirtualized = resultsOf('microvisor.devirtualize').at(-1);
  const audit = resultsOf('microvisor.audit').at(-1)?.result as PrimitiveResult<'microvisor.audit'> | undefined;
  const out = devirtualized?.result as PrimitiveResult<'microvisor.devirtualize'> | undefined;
  const into = virtualized?.result as PrimitiveResult<'microvisor.virtualize'> | undefined;
  return {
    virtualizeUs: into ? into.switchNs / 1e3 : null,
    devirtualizeUs: out ? out.switchNs / 1e3 : null,
    virtualizedMs: virtualized && devirtualized ? (devirtualized.endNs - virtualized.endNs) / MS : null,
    overheadPercent: overheadPercent(
      resultsOf('guest.sample-work').map(({ result }) => result as PrimitiveResult<'guest.sample-work'>),
    ),
    bareTrapsExtra: audit?.bareTrapsExtra ?? null,
    stateIdentical: out === undefined ? null : out.stateIdentical && audit?.stateIdentical !== false,
    guests: used && reportAccounts(used),
    productionWakeUsMax: used && used.productionWakeNsMax / 1e3,
  };
}

/** The last piece of work before virtualize against the first after it. */
function overheadPercent(samples: readonly PrimitiveResult<'guest.sample-work'>[]): number | null {
  const firstVirtualized = samples.findIndex(({ virtualized }) => virtualized);
  const virtualized = samples[firstVirtualized];
  const bare = samples.slice(0, Math.max(0, firstVirtualized)).at(-1);
  if (!bare || !virtualized || bare.nodeNs === 0) return null;
  return Math.round((virtualized.nodeNs / bare.nodeNs - 1) * 1e6) / 1e4;
}

/** Wall time of each phase by its position among the phases that were entered. */
function phaseWallMs(records: readonly JournalRecord[]): ReadonlyMap<number, number> {
  const wallMs = new Map<number, number>();
  let position = -1;
  let startMs = 0;
  let last = '';
  for (const record of records) {
    if (record.type !== 'phase') continue;
    if (record.edge === 'end') wallMs.set(position, Math.round(record.wallMs - startMs));
    else if (record.phase !== last) {
      position += 1;
      startMs = record.wallMs;
      last = record.phase;
    }
  }
  return wallMs;
}
