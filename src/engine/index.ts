// The door of the engine.

export { CODES, type DiagnosticCode } from './diagnostics/codes.ts';
export { type Diagnostic, isError, type Severity } from './diagnostics/diagnostic.ts';
export { formatDiagnostic, summarize } from './diagnostics/frame.ts';
export type { Playbook } from './generated/playbook.ts';
export type {
  ActOutcome,
  ActRequest,
  Json,
  MicrovisorMeasurement,
  NodeFailure,
  NodePort,
  NodeStatus,
  ProbeAnswer,
  ServiceMeasurement,
} from './node-port.ts';
export { NodeUnreachable } from './node-port.ts';
export { parseYaml, type SourceFile } from './parse/parse-yaml.ts';
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
export { type Validation, validatePlaybook } from './validate/validate-playbook.ts';
