/** A way through the explored statechart as a numbered story: what changed the node, what went wrong, how it ended. */

import type { Fate } from '../model/fate.ts';
import type { ModelState } from '../model/model-state.ts';
import type { PlannedStep } from '../plan/plan.ts';
import { formatMs } from '../values/duration.ts';
import { changesNode, stepOf } from './blame.ts';
import type { Edge } from './edge.ts';
import { FIRST } from './round.ts';

export interface Sentence {
  readonly text: string;
  readonly step: PlannedStep | undefined;
}

export function tellStory(path: readonly Edge[], steps: readonly PlannedStep[]): readonly Sentence[] {
  const sentences: Sentence[] = [];
  for (const edge of path) {
    const step = stepOf(edge, steps);
    for (const { what, option } of edge.choices) {
      if (TOLD_OTHERWISE.has(what) || what === step?.id) continue;
      sentences.push({ text: `the condition ${what} ${option}`, step: undefined });
    }
    const text = describe(edge, step);
    if (text !== undefined) sentences.push({ text, step });
  }
  const last = path.at(-1)?.to;
  const outcome = last?.outcome;
  if (last && outcome !== undefined) {
    sentences.push({ text: `the run ${ENDS[outcome]}: ${describeNode(last.spot.node.state)}`, step: undefined });
  }
  return sentences;
}

/** Choices that the sentence of what happened tells. */
const TOLD_OTHERWISE: ReadonlySet<string> = new Set(['fate', FIRST, 'meanwhile', 'phase', 'answer', 'operator']);

const ENDS = {
  succeeded: 'has succeeded',
  'rolled-back': 'has been rolled back',
  'failed-safe': 'is over after a failure past the commit',
  'failed-dirty': 'is over, not everything was taken back',
  paused: 'waits for somebody',
} as const;

/** Nothing for what went well and left the node as it was. */
function describe(edge: Edge, step: PlannedStep | undefined): string | undefined {
  const { fate, error, effect } = edge;
  if (fate === 'time-passes') return undefined;
  if (fate in ANSWERS) return ANSWERS[fate as keyof typeof ANSWERS];
  const what = subject(edge, step);
  if (fate === 'ok') {
    if (error) return `${what} is refused: ${error.message}`;
    if (!changesNode(edge)) return undefined;
    return effect?.kind === 'undo' ? `${step?.id} is taken back` : `${what} is done`;
  }
  return `${what} ${TOLD[fate as keyof typeof TOLD]}${fate.startsWith('times-out') ? ` after ${formatMs(edge.msMax)}` : ''}`;
}

const ANSWERS = {
  'taken-back': 'the operator takes the run back',
  resumed: 'the operator resumes the run',
  admitted: 'the run is let through',
  rejected: 'somebody refuses at the gate',
  'nobody-answers': 'nobody answers at the gate in time',
} as const;

const TOLD = {
  fails: 'fails',
  'fails-half-way': 'fails half-way',
  'times-out': 'times out',
  'times-out-half-way': 'times out half-way',
  'too-much-downtime': 'is done, but nobody answers all the while',
  'takes-all-time': 'is done when the time of its phase is over',
  'crash-before': 'is about to start when mvctl dies; the run is resumed',
  'crash-after': 'is done when mvctl dies; the run is resumed',
  'fails-then-crash': 'fails, mvctl dies before it can say so; the run is resumed',
  'power-lost-before': 'is about to start when the node loses its power',
  'power-lost-after': 'is done when the node loses its power',
  'old-goes-down': 'begins when the old OS goes down',
  'new-goes-down': 'begins when the new OS goes down',
} as const satisfies Record<Exclude<Fate, 'ok'>, string>;

function subject({ effect }: Edge, step: PlannedStep | undefined): string {
  switch (effect?.kind) {
    case 'step':
      return `${step?.id} (${step?.uses})`;
    case 'ask':
      return `asking whether ${step?.id} is done already`;
    case 'undo':
      return `taking back ${step?.id}`;
    case 'begin':
      return 'the begin of the run';
    case 'end':
      return 'the end of the run';
    case 'boot':
      return 'booting the node';
    case 'check':
      return 'the check of the service';
    default:
      return 'waiting';
  }
}

/** The node in half a line. */
export function describeNode(state: ModelState): string {
  const guests = [...state.guests].map(([name, { runs }]) => `${name}${runs ? '' : ' (off)'}`).join(' and ');
  const service = state.holders.size === 0 ? 'nobody' : [...state.holders].join(' and ');
  return [
    state.isVirtualized ? 'virtualized' : 'bare',
    guests === '' ? 'no guest' : `${state.guests.size === 1 ? 'guest' : 'guests'} ${guests}`,
    `service at ${service}${state.answers ? '' : ', which does not answer'}`,
    ...(state.disks.size === 0 ? [] : [`disks ${[...state.disks].join(', ')}`]),
  ].join('; ');
}
