/**
 * The engine's only view of a node. The engine declares it; src/node implements it on the emulated node, tests and the
 * dry run on a model. All times are node time, an integer count of nanoseconds.
 *
 * Invariants:
 * 1. `act` with a key the node has already completed returns the recorded outcome and does nothing.
 * 2. With the virtual clock the node advances only inside `act` and `waitUntil`.
 * 3. A promise is rejected with NodeUnreachable when the node's process does not answer, and for nothing else: what
 *    the world did is a value.
 * 4. After a crash of the engine `probe` tells what became of a key; after a loss of power of the node it tells that
 *    the node's boot changed (`bootId`), nothing volatile is reported as done, and a commit is if it took effect.
 */
import type { FailureCode, GuestName, PrimitiveName } from './primitives.ts';

export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json };

export interface ActRequest {
  /** A row of the primitive table (primitives.ts), which gives the shape of `args` and of the result. */
  readonly primitive: PrimitiveName;
  readonly args: { readonly [name: string]: Json };
  /** Idempotency key: run/step/attempt; unique among all runs of a node. */
  readonly key: string;
  /** Fencing epoch of the run that holds the lock; the node refuses a lower one than it has seen. */
  readonly epoch: number;
  /** Node time after which the node gives up and fails with `timeout`; absent = the primitive's own limit. */
  readonly deadlineNs?: number;
}

export type ActOutcome =
  | { readonly ok: true; readonly result: Json; readonly startNs: number; readonly endNs: number }
  | { readonly ok: false; readonly error: NodeFailure; readonly startNs: number; readonly endNs: number };

/** The act of several that ended first. */
export interface FirstEnd {
  readonly key: string;
  readonly outcome: ActOutcome;
}

/** What the world did. */
export interface NodeFailure {
  readonly code: FailureCode;
  readonly message: string;
  readonly retryable: boolean;
  readonly details?: Json;
}

export type ProbeAnswer =
  | { readonly state: 'done'; readonly outcome: ActOutcome }
  | { readonly state: 'running' }
  | { readonly state: 'never-started' }
  /** The node lost power since: what the key did to volatile state is gone. */
  | { readonly state: 'lost'; readonly bootId: string };

export interface NodeStatus {
  readonly bootId: string;
  readonly nowNs: number;
  readonly clock: 'virtual' | 'realtime';
  /** Facts for expressions: `facts.*`. */
  readonly facts: { readonly [name: string]: Json };
}

/** What a client of the service saw in [fromNs, toNs). */
export interface ServiceMeasurement {
  readonly requests: number;
  readonly failed: number;
  readonly downtimeMs: number;
  readonly longestGapMs: number;
  readonly resolutionMs: number;
  readonly latencyMs: LatencyMeasurement | null;
  /** The clients beside the prober; null where there were none. */
  readonly load: { readonly [Kind in LoadKind]: LoadMeasurement } | null;
}

export interface LatencyMeasurement {
  readonly p50: number;
  readonly p99: number;
  readonly max: number;
}

/** `short`: requests on connections of their own; `keepAlive`: many on one; `download`: long answers, checked when whole. */
export type LoadKind = 'short' | 'keepAlive' | 'download';

export interface LoadMeasurement {
  readonly requests: number;
  readonly failed: number;
  /** How often each failure occurred. */
  readonly failures: { readonly [outcome: string]: number };
  readonly latencyMs: LatencyMeasurement | null;
}

/** M-mode entries in an interval by cause, per guest, and the Microvisor's own account. */
export interface MicrovisorMeasurement {
  readonly traps: { readonly [cause: string]: number };
  /** Of each guest that was virtualized at some time of it. */
  readonly guests: { readonly [guest in GuestName]?: GuestAccounting };
  /** Worst time from an interrupt for the guest that goes first to its running; 0: it was not woken. */
  readonly productionWakeNsMax: number;
}

/** What a guest used while the node was virtualized, all its harts together, and what it cost. */
export interface GuestAccounting {
  /** Entries into M-mode by cause. */
  readonly exits: { readonly [cause: string]: number };
  /** It had the hart; it waited for an interrupt; it could have run and did not. */
  readonly ranNs: number;
  readonly idleNs: number;
  readonly heldNs: number;
  /** M-mode work at its exits. */
  readonly monitorNs: number;
  /** How often it was put into a hart. */
  readonly switchesIn: number;
  /** Worst time from an interrupt that ends a wait to its running. */
  readonly wakeNsMax: number;
}

/** How an interval went, for a picture: bounded in size however long it was. */
export interface NodeTimeline {
  /** null: nobody asked for the service. */
  readonly requests: RequestSeries | null;
  /** By part, then by time. */
  readonly owners: readonly OwnerSpan[];
}

/** The prober's requests in bins of equal width, a column a figure; latencies are null where a bin has no correct answer. */
export interface RequestSeries {
  readonly fromNs: number;
  readonly binNs: number;
  readonly requests: readonly number[];
  readonly failed: readonly number[];
  readonly p50Ms: readonly (number | null)[];
  readonly maxMs: readonly (number | null)[];
}

/** Of a part of the node (the service, a bank of memory, a device) who had it when; a part nobody has is left out. */
export interface OwnerSpan {
  readonly part: string;
  readonly owner: string;
  readonly fromNs: number;
  readonly toNs: number;
}

/** The node's process is gone or does not answer. The run stops where it is and can be resumed. */
export class NodeUnreachable extends Error {
  override readonly name = 'NodeUnreachable';
}

export interface NodePort {
  status(): Promise<NodeStatus>;
  /** From now on the node refuses acts of a lower epoch: whoever had it before has lost it. */
  fence(epoch: number): Promise<void>;
  act(request: ActRequest, signal?: AbortSignal): Promise<ActOutcome>;
  /**
   * Several acts at once: begins those that have not begun, in this order and at this instant, and lets the node run until
   * the first of them has ended or node time is `untilNs` (null: without end). Gives the one that ended, or null where
   * time was up. With the virtual clock the node stands still until it is driven again.
   */
  actAny(requests: readonly ActRequest[], untilNs: number | null): Promise<FirstEnd | null>;
  probe(key: string): Promise<ProbeAnswer>;
  /** Lets the node run until `ns` of node time; for pauses, soaks, retry delays. */
  waitUntil(ns: number, signal?: AbortSignal): Promise<void>;
  measureService(fromNs: number, toNs: number): Promise<ServiceMeasurement>;
  measureMicrovisor(fromNs: number, toNs: number): Promise<MicrovisorMeasurement>;
  measureTimeline(fromNs: number, toNs: number): Promise<NodeTimeline>;
  /** Live lines for a person (guest console, progress); never part of a report. */
  onProgress(listener: (line: string) => void): () => void;
  close(): Promise<void>;
}
