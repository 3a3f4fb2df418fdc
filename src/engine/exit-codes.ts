/** Exit codes of mvctl: one number, one cause. */
import type { Report } from './generated/report.ts';

interface ExitRow {
  readonly code: number;
  readonly means: string;
}

export const EXIT = {
  ok: { code: 0, means: 'done' },
  invalid: { code: 1, means: 'the playbook has errors' },
  usage: { code: 2, means: 'the command line is wrong' },
  internal: { code: 3, means: 'mvctl itself failed' },
  rolledBack: { code: 20, means: 'a step failed, or you said so: everything was taken back and the node is as it was' },
  failedDirty: { code: 21, means: 'a step failed and so did taking it back; the report says what is left' },
  lockHeld: { code: 24, means: 'another mvctl works on the node' },
  nodeUnreachable: { code: 26, means: 'the node does not answer; the run can be resumed' },
  images: { code: 27, means: 'the disks could not be built' },
  failedSafe: { code: 28, means: 'a step failed after the commit; the new OS serves and the run is over' },
  journal: { code: 29, means: 'the journal cannot be read or written' },
  paused: { code: 30, means: 'a step failed after the commit; the run waits and can be resumed' },
  unfinishedRun: { code: 31, means: 'an earlier run on the node is not finished; resume it first' },
  nothingToResume: { code: 32, means: 'no unfinished run on the node' },
  lockLost: { code: 33, means: 'another mvctl took the node over; this one did nothing more' },
  noSuchRun: { code: 36, means: 'the node has no such run, or no report of it' },
  committed: { code: 35, means: 'the run is past its commit and cannot be taken back' },
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

export const exitCodeOf = (outcome: Outcome): number => BY_OUTCOME[outcome].code;
