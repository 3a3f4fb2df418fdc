// The door of the engine.
export { CODES, type DiagnosticCode } from './diagnostics/codes.ts';
export { type Diagnostic, isError, type Severity } from './diagnostics/diagnostic.ts';
export { formatDiagnostic, summarize } from './diagnostics/frame.ts';
export { EXIT, exitCodeOf, type Outcome } from './exit-codes.ts';
export type { Playbook } from './generated/playbook.ts';
export type { Report } from './generated/report.ts';
export { JournalError } from './journal/journal-error.ts';
export { LockHeld } from './journal/node-lock.ts';
export { type ReadJournal, readJournal } from './journal/read-journal.ts';
export { RunStore, type StoredRun } from './journal/run-store.ts';
export { type Interference, ModelNode, type ModelOptions, type ModelTiming } from './model-node.ts';
export type {
  ActOutcome,
  ActRequest,
  Json,
  MicrovisorMeasurement,
  NodeFailure,
  NodePort,
  NodeStatus,
  NodeTimeline,
  OwnerSpan,
  ProbeAnswer,
  RequestSeries,
  ServiceMeasurement,
} from './node-port.ts';
export { NodeUnreachable } from './node-port.ts';
export { OwnerSpans } from './owner-spans.ts';
export { parseYaml, type SourceFile } from './parse/parse-yaml.ts';
export { makePlan, type Planned, type PlanOptions } from './plan/make-plan.ts';
export type { Plan, PlannedNode, PlannedPhase, PlannedStep } from './plan/plan.ts';
export type {
  FailureCode,
  GuestFacts,
  GuestName,
  PrimitiveArgs,
  PrimitiveName,
  PrimitiveResult,
  Primitives,
  ServiceSpec,
} from './primitives.ts';
export { FAILURE_CODES, GUEST_NAMES } from './primitives.ts';
export { compareReports } from './report/compare-reports.ts';
export { type Paint, paint } from './report/paint.ts';
export { renderJson } from './report/render-json.ts';
export { renderPretty } from './report/render-pretty.ts';
export { dryRun, priorTiming } from './run/dry-run.ts';
export { NothingToResume, type RunEnd, type RunOptions, resumeRun, runPlan, UnfinishedRun } from './run/run-plan.ts';
export type { ProgressListener, RunProgress } from './run/run-progress.ts';
export { type Validation, validatePlaybook } from './validate/validate-playbook.ts';
export { formatMs } from './values/duration.ts';
