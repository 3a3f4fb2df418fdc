// The door for whoever implements or drives a node: the port's contract, without the engine behind it.
export type {
  ActOutcome,
  ActRequest,
  FirstEnd,
  GuestAccounting,
  Json,
  LoadMeasurement,
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
export type {
  FailureCode,
  GuestFacts,
  GuestName,
  LoadSpec,
  PrimitiveArgs,
  PrimitiveName,
  PrimitiveResult,
  Primitives,
  ServiceSpec,
} from './primitives.ts';
export { FAILURE_CODES, GUEST_NAMES, otherGuest } from './primitives.ts';
