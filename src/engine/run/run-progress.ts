/** What a run tells while it goes on: for a person or a log, never part of a report. */
import type { Outcome } from '../exit-codes.ts';
import type { Plan, PlannedStep } from '../plan/plan.ts';

export type RunProgress =
  | { readonly type: 'run-start'; readonly plan: Plan; readonly isResumed: boolean; readonly journalPath: string }
  | { readonly type: 'phase-start'; readonly phase: string; readonly atNs: number }
  | { readonly type: 'phase-end'; readonly phase: string; readonly atNs: number }
  | { readonly type: 'step-start'; readonly step: PlannedStep; readonly attempt: number; readonly atNs: number }
  | { readonly type: 'step-done'; readonly step: PlannedStep; readonly nodeNs: number; readonly atNs: number }
  | { readonly type: 'step-skipped'; readonly step: PlannedStep }
  /** Its `doneIf` said so. */
  | { readonly type: 'step-done-already'; readonly step: PlannedStep }
  | {
      readonly type: 'step-failed';
      readonly step: PlannedStep;
      readonly attempt: number;
      readonly code: string;
      readonly message: string;
      readonly atNs: number;
    }
  | { readonly type: 'undo-start'; readonly step: PlannedStep; readonly attempt: number; readonly atNs: number }
  | { readonly type: 'undo-done'; readonly step: PlannedStep; readonly atNs: number }
  | {
      readonly type: 'undo-failed';
      readonly step: PlannedStep;
      readonly code: string;
      readonly message: string;
      readonly atNs: number;
    }
  | { readonly type: 'waiting'; readonly untilNs: number; readonly forMs: number }
  | { readonly type: 'lost-power'; readonly atNs: number }
  | { readonly type: 'run-end'; readonly outcome: Outcome; readonly exitCode: number; readonly atNs: number };

/** `isReplay`: it happened before this process took the run over. */
export type ProgressListener = (progress: RunProgress, isReplay: boolean) => void;
