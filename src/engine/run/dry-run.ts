/**
 * The same statechart on a model node, in virtual time and without a journal. Durations are those of earlier runs,
 * or what the playbook expects or the step table guesses; a report made this way says so.
 */
import type { Report } from '../generated/report.ts';
import { ModelNode, type ModelTiming } from '../model/model-node.ts';
import type { ActRequest } from '../node-port.ts';
import { type Plan, type PlannedStep, runIdOf, stepsOf } from '../plan/plan.ts';
import { secretShown } from '../plan/planned-value.ts';
import { compilePlan } from '../statechart/compiled-plan.ts';
import { stepKind } from '../steps/table.ts';
import { assembleReport } from './assemble-report.ts';
import { RunDriver } from './run-driver.ts';
import type { ProgressListener } from './run-progress.ts';

/** What the engine does on its own account: begin, end, boot, check. */
const ENGINE_PRIOR: ModelTiming = { ms: 200, downtimeMs: 0 };

export async function dryRun(
  plan: Plan,
  onProgress: ProgressListener = () => {},
  timing = priorTiming(plan),
): Promise<Report> {
  const port = new ModelNode({ timing, hardware: plan.node });
  const { bootId, nowNs, clock, facts } = await port.status();
  onProgress({ type: 'run-start', plan, isResumed: false, journalPath: '' }, false);
  const driver = new RunDriver({
    compiled: compilePlan(plan),
    port,
    sink: { append: () => Promise.resolve() },
    wallNow: () => 0,
    keyPrefix: runIdOf(plan),
    epoch: 1,
    bootId,
    beginNs: nowNs,
    facts,
    onProgress,
    assumesAssertions: true,
    admits: true,
    secrets: Object.fromEntries(Object.keys(plan.secrets).map((name) => [name, secretShown(name)])),
  });
  const end = await driver.drive();
  const report = await assembleReport({
    plan,
    context: driver.context,
    outcome: end === 'finished' ? (driver.context.outcome ?? 'failed-dirty') : 'paused',
    clock,
    port,
    startedMs: 0,
    wallNow: () => 0,
    records: [],
    isDryRun: true,
  });
  // A model has no OS and no Microvisor that could be asked.
  return {
    ...report,
    timeline: null,
    os: { before: null, after: null },
    microvisor: null,
    phases: report.phases.map((phase) => ({ ...phase, traps: null, latencyMs: null })),
    service: report.service && { ...report.service, latencyMs: null },
  };
}

/** Durations by step; a key at the node is run/phase/step/attempt. */
export function priorTiming(plan: Plan): (request: ActRequest) => ModelTiming {
  const steps = new Map<string, PlannedStep>(stepsOf(plan).map((step) => [step.id, step]));
  return ({ key }) => {
    const [, , id = '', what = ''] = key.split('/');
    const step = steps.get(id);
    if (!step) return ENGINE_PRIOR;
    if (step.doneIf && what === 'done-if') return { ms: stepKind(step.doneIf.uses).prior.ms, downtimeMs: 0 };
    const { prior } = stepKind(step.uses);
    return { ms: step.expectedMs ?? prior.ms, downtimeMs: prior.downtimeMs ?? 0 };
  };
}
