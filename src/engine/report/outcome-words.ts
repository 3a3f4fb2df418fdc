import type { Outcome } from '../exit-codes.ts';

/** What became of a run, for people. */
export const OUTCOME_WORDS: Readonly<Record<Outcome, string>> = {
  succeeded: 'succeeded',
  'rolled-back': 'failed and was rolled back: the node is as it was',
  'failed-safe': 'failed after the commit: the service runs, the run is over',
  'failed-dirty': 'failed, and so did taking it back',
  paused: 'paused: resume it with mvctl resume',
};

export const OUTCOME_COLOR: Readonly<Record<Outcome, 'good' | 'bad' | 'notable'>> = {
  succeeded: 'good',
  'rolled-back': 'notable',
  'failed-safe': 'notable',
  'failed-dirty': 'bad',
  paused: 'notable',
};
