// The door of the engine.
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
