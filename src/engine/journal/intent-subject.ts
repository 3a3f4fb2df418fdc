import type { IntentRecord } from '../generated/journal.ts';

/** What an intent is about, in the words of the playbook. */
export interface IntentSubject {
  /** `engine`: what the engine does on its own account, e.g. boot the node. */
  readonly kind: 'step' | 'ask' | 'undo' | 'engine';
  /** Id of the step, or what the engine does. */
  readonly what: string;
}

/** The effect says what kind it is; its key at the node, run/phase/step/…, names the step. */
export function subjectOf({ effect, key }: Pick<IntentRecord, 'effect' | 'key'>): IntentSubject {
  const kind = (['step', 'ask', 'undo'] as const).find((word) => effect === word || effect.startsWith(`${word} `));
  const [, , step = effect] = key.split('/');
  return kind === undefined ? { kind: 'engine', what: effect } : { kind, what: step };
}
