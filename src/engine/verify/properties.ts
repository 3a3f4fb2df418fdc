/** What must hold of every run of a playbook, whatever fails on the way: one row each. */
import type { Severity } from '../diagnostics/diagnostic.ts';

interface PropertyRow {
  readonly severity: Severity;
  readonly means: string;
}

export const PROPERTIES = {
  'can-succeed': { severity: 'error', means: 'a run in which nothing fails ends with success' },
  'no-dead-step': { severity: 'error', means: 'every step is done in some run' },
  'undo-works': { severity: 'error', means: 'taking a step back is not refused where nothing else fails' },
  'undo-order': { severity: 'error', means: 'what was done last is taken back first' },
  'service-stays': { severity: 'error', means: 'a run ends with exactly one OS that has the service and answers' },
  'ends-bare': { severity: 'error', means: 'a run ends with a bare node, unless it waits for somebody' },
  'nothing-left': {
    severity: 'error',
    means: 'a run leaves no guest, disk, attachment, idle memory or hart behind that was not there before or is in use',
  },
  'boots-what-serves': { severity: 'error', means: 'after a run the node boots the OS that has the service' },
  'parked-serving': { severity: 'warning', means: 'a run that waits for somebody waits with the service up' },
  'resume-is-the-same': {
    severity: 'error',
    means: 'a run whose engine died and was resumed goes on like one that did not',
  },
  'within-budget': { severity: 'error', means: 'the longest a run can take, and be down, is within its budgets' },
  'no-endless-wait': { severity: 'error', means: 'whatever a run waits for, it waits for a limited time' },
} as const satisfies Record<string, PropertyRow>;

export type Property = keyof typeof PROPERTIES;
