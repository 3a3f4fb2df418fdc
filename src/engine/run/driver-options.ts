/** What a driver is given, and what it knows. */
import type { SnapshotFrom } from 'xstate';
import type { IntentRecord } from '../generated/journal.ts';
import type { NewRecord } from '../journal/record-line.ts';
import type { Json, NodePort } from '../node-port.ts';
import type { RunChart } from '../statechart/compile-chart.ts';
import type { CompiledPlan } from '../statechart/compiled-plan.ts';
import type { GateAnswer } from '../statechart/waiting.ts';
import type { Outstanding } from './outstanding.ts';
import type { ProgressListener } from './run-progress.ts';

/** Where records go. In the dry run nowhere. */
export interface RecordSink {
  append(record: NewRecord): Promise<void>;
}

export interface DriverOptions {
  readonly compiled: CompiledPlan;
  readonly port: NodePort;
  readonly sink: RecordSink;
  /** Wall clock in milliseconds, for people who read the journal. */
  readonly wallNow: () => number;
  readonly keyPrefix: string;
  readonly epoch: number;
  readonly bootId: string;
  readonly beginNs: number;
  readonly facts: { readonly [name: string]: Json };
  readonly onProgress: ProgressListener;
  /** In a dry run nothing is known that an assertion could judge: it is taken to hold. */
  readonly assumesAssertions?: boolean;
  /** Windows are taken to be open and gates to be approved: in a dry run nobody can be asked. */
  readonly admits?: boolean;
  /** What was said at the gates of the run so far, in order. */
  readonly answers?: () => readonly GateAnswer[];
  /** Values of the playbook's secrets. They go to the node and nowhere else. */
  readonly secrets?: { readonly [name: string]: string } | undefined;
  /** Stops the run before its next effect. */
  readonly signal?: AbortSignal | undefined;
  /** Takes the run back before its next effect, as long as it can be taken back. */
  readonly rollBack?: AbortSignal | undefined;
  /** Goes on from here in place of from the beginning. */
  readonly from?: DriverState;
}

/** All that a driver knows. A driver that goes on from it leaves it as it is. */
export interface DriverState {
  readonly snapshot: SnapshotFrom<RunChart>;
  readonly outstanding: Outstanding;
  /** Intents whose event has not come, by effect. */
  readonly openIntents: ReadonlyMap<string, OpenIntent>;
  readonly bootId: string;
}

/** What a later process needs to know of an effect that had begun. */
export type OpenIntent = Pick<IntentRecord, 'key' | 'deadlineNs' | 'atNs'>;
