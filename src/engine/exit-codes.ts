/** Exit codes of mvctl: one number, one cause. */
import type { Report } from './generated/report.ts';

interface ExitRow {
  readonly code: number;
  readonly means: string;
}

export const EXIT = {
  ok: { code: 0, means: 'done' },
  invalid: { code: 1, means: 'the playbook has errors' },
  testsFailed: { code: 4, means: 'a playbook test did not come out as expected' },
  usage: { code: 2, means: 'the command line is wrong' },
  notWritten: { code: 5, means: 'a file that was asked for could not be written; what it tells of is done' },
  internal: { code: 3, means: 'mvctl itself failed' },
  rolledBack: { code: 20, means: 'a step failed, or you said so: everything was taken back and the node is as it was' },
  failedDirty: { code: 21, means: 'a step failed and so did taking it back; the report says what is left' },
  budget: { code: 22, means: 'a budget was spent; everything was taken back and the node is as it was' },
  windowClosed: {
    code: 23,
    means: 'the maintenance window was closed; everything was taken back and the node is as it was',
  },
  lockHeld: { code: 24, means: 'another mvctl works on the node' },
  gateRefused: { code: 25, means: 'a gate was refused or nobody answered in time; everything was taken back' },
  nodeUnreachable: { code: 26, means: 'the node does not answer; the run can be resumed' },
  images: { code: 27, means: 'the disks could not be built' },
  failedSafe: { code: 28, means: 'a step failed after the commit; the new OS serves and the run is over' },
  journal: { code: 29, means: 'the journal cannot be read or written' },
  paused: { code: 30, means: 'the run pauses where a step failed or a budget was spent; it can be resumed' },
  unfinishedRun: { code: 31, means: 'an earlier run on the node is not finished; resume it first' },
  nothingToResume: { code: 32, means: 'no unfinished run on the node' },
  lockLost: { code: 33, means: 'another mvctl took the node over; this one did nothing more' },
  waiting: { code: 34, means: 'the run waits for an approval or for its window; it can be resumed then' },
  committed: { code: 35, means: 'the run is past its commit and cannot be taken back' },
  noSuchRun: { code: 36, means: 'the node has no such run, or no report of it' },
  notAsked: { code: 37, means: 'no gate waits for this answer, or not from this person' },
  planStale: { code: 38, means: 'the saved plan does not hold any more; nothing was done' },
  secretMissing: { code: 39, means: 'a secret of the playbook cannot be read; nothing was done' },
  interrupted: { code: 130, means: 'stopped by Ctrl-C (SIGINT) after a step was complete; the run can be resumed' },
  terminated: { code: 143, means: 'stopped by SIGTERM after a step was complete; the run can be resumed' },
} as const satisfies Record<string, ExitRow>;

export type Outcome = Report['run']['outcome'];

const BY_OUTCOME: Readonly<Record<Outcome, ExitRow>> = {
  succeeded: EXIT.ok,
  'rolled-back': EXIT.rolledBack,
  'failed-safe': EXIT.failedSafe,
  'failed-dirty': EXIT.failedDirty,
  paused: EXIT.paused,
};

/** Why a run was taken back, where that is not a step. */
const BY_FAILURE: { readonly [code: string]: ExitRow } = {
  budget: EXIT.budget,
  'window-closed': EXIT.windowClosed,
  'gate-rejected': EXIT.gateRefused,
  'gate-timeout': EXIT.gateRefused,
};

/** `failure`: code of what failed, if anything did. */
export function exitCodeOf(outcome: Outcome, failure?: string): number {
  const why = outcome === 'rolled-back' && failure !== undefined ? BY_FAILURE[failure] : undefined;
  return (why ?? BY_OUTCOME[outcome]).code;
}
