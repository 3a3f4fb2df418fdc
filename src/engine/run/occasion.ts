/** What a request to the node is for, told by its key: run/phase/step/attempt, or what the engine does on its own account. */

export interface Occasion {
  /** Id of the step, or begin, end, boot, check. */
  readonly at: string;
  readonly isUndo: boolean;
  /** The engine's own work belongs to no step. */
  readonly isStep: boolean;
}

export function occasionOf(key: string, steps: { has(id: string): boolean }): Occasion {
  const [, what = '', id = '', undo] = key.split('/');
  if (!steps.has(id)) return { at: what, isUndo: false, isStep: false };
  return { at: id, isUndo: undo === 'undo', isStep: true };
}
