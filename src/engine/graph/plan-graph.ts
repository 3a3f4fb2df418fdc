/** A plan as boxes and arrows: phases, the steps in them in the order of their needs, and the point of no return. */
import type { Plan, PlannedPhase, PlannedStep } from '../plan/plan.ts';
import { COMMIT } from '../steps/node.ts';
import { stepKind } from '../steps/table.ts';

export interface PlanGraph {
  readonly name: string;
  readonly phases: readonly GraphPhase[];
  readonly arrows: readonly GraphArrow[];
}

export interface GraphPhase {
  readonly id: string;
  readonly title: string;
  readonly boxes: readonly GraphBox[];
}

export interface GraphBox {
  /** Unique, and a plain word. */
  readonly key: string;
  readonly lines: readonly string[];
  readonly shape: 'step' | 'choice' | 'wait' | 'commit' | 'end';
}

export interface GraphArrow {
  readonly from: string;
  readonly to: string;
  readonly label?: string;
  readonly isFailure?: true;
}

export function graphOf(plan: Plan): PlanGraph {
  const arrows: GraphArrow[] = [];
  let open: readonly string[] = [];
  const phases: GraphPhase[] = [];
  for (const [index, phase] of plan.phases.entries()) {
    const boxes = [...waitsOf(phase, index), ...phase.steps.filter(isShown).map(stepBox)];
    const waits = boxes.filter(({ shape }) => shape === 'wait');
    for (const { key } of waits) {
      arrows.push(...open.map((from) => ({ from, to: key })));
      open = [key];
    }
    open = connect(phase, open, arrows);
    phases.push({ id: phase.id, title: phase.title, boxes });
  }
  arrows.push(...open.map((from) => ({ from, to: DONE.key })));
  arrows.push(...failuresOf(plan));
  return { name: plan.name, phases: [...phases, { id: 'end', title: '', boxes: [DONE, ROLLED_BACK] }], arrows };
}

const DONE: GraphBox = { key: 'done', lines: ['succeeded'], shape: 'end' };
const ROLLED_BACK: GraphBox = { key: 'rolledBack', lines: ['rolled back'], shape: 'end' };

/** Criteria are part of what ends a phase, not steps of their own. */
const isShown = ({ isHidden }: PlannedStep): boolean => !isHidden;

const keyOf = ({ index }: PlannedStep): string => `s${index}`;

function stepBox(step: PlannedStep): GraphBox {
  // What every step of the kind is called says nothing about this one.
  const title = stepKind(step.uses).summary.startsWith(step.title) ? [] : [step.title];
  const when = step.when === null ? [] : [`when ${step.when}`];
  const shape = step.uses === COMMIT ? 'commit' : step.when === null ? 'step' : 'choice';
  return { key: keyOf(step), lines: [step.id, step.uses, ...title, ...when], shape };
}

function waitsOf({ window, gate }: PlannedPhase, index: number): readonly GraphBox[] {
  const waits: GraphBox[] = [];
  if (window) waits.push({ key: `w${index}`, lines: ['maintenance window', window.timeZone], shape: 'wait' });
  if (gate) {
    const lines = ['approval', `${gate.required} of ${gate.approvers.join(', ')}`];
    waits.push({ key: `g${index}`, lines, shape: 'wait' });
  }
  return waits;
}

/** Draws the arrows of a phase; returns what is over last. Hidden steps are seen through. */
function connect(phase: PlannedPhase, before: readonly string[], arrows: GraphArrow[]): readonly string[] {
  const ends = new Map<number, readonly string[]>();
  const isNeeded = new Set<string>();
  for (const step of phase.steps) {
    const from =
      step.needs.length === 0 ? before : [...new Set(step.needs.flatMap((need) => ends.get(need) ?? before))];
    if (!isShown(step)) {
      ends.set(step.index, from);
      continue;
    }
    arrows.push(...from.map((each) => ({ from: each, to: keyOf(step) })));
    for (const each of from) isNeeded.add(each);
    ends.set(step.index, [keyOf(step)]);
  }
  const last = phase.steps
    .filter(isShown)
    .map(keyOf)
    .filter((key) => !isNeeded.has(key));
  return last.length > 0 ? last : before;
}

/** Where a failure leads back: from the first step that changes something to the commit. */
function failuresOf({ phases }: Plan): readonly GraphArrow[] {
  return phases.flatMap(({ steps }) =>
    steps
      .filter((step) => isShown(step) && !step.isAfterCommit && step.onFailure === 'rollback' && step.uses === COMMIT)
      .map((step) => ({
        from: keyOf(step),
        to: ROLLED_BACK.key,
        label: 'a failure up to here',
        isFailure: true as const,
      })),
  );
}
