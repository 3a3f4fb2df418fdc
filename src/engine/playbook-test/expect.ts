/** What a test expects of a run against what came of it. */

import type { Pointer } from '../diagnostics/diagnostic.ts';
import type { Expectation, Limit } from '../generated/playbook-test.ts';
import type { PlannedStep } from '../plan/plan.ts';
import type { ModelRun } from '../run/run-on-model.ts';
import { formatMs, parseDuration } from '../values/duration.ts';

export interface Mismatch {
  /** Below `expect`. */
  readonly pointer: Pointer;
  readonly message: string;
}

export interface TestedRun {
  readonly run: ModelRun;
  readonly steps: readonly PlannedStep[];
  readonly downtimeMs: number;
  readonly durationMs: number;
}

export function mismatches(expected: Expectation, tested: TestedRun): readonly Mismatch[] {
  const { run, steps } = tested;
  const { context, outcome } = run;
  const ledgerOf = (id: string) => context.steps[steps.find((step) => step.id === id)?.index ?? -1];
  const withOutcome = (wanted: string): string[] =>
    steps.filter(({ index }) => context.steps[index]?.outcome === wanted).map(({ id }) => id);
  return [
    ...same('outcome', expected.outcome, outcome, whyOf(run)),
    ...failure(expected, run),
    ...order(expected.order ?? [], tested),
    ...same('skipped', expected.skipped, withOutcome('skipped')),
    ...(expected.notReached ?? []).flatMap((id, index) =>
      ledgerOf(id) === undefined ? [] : [{ pointer: ['notReached', index], message: `${id} was reached` }],
    ),
    ...same('undone', expected.undone, context.undone),
    ...same('leftOver', expected.leftOver, context.leftOver),
    ...Object.entries(expected.attempts ?? {}).flatMap(([id, attempts]) =>
      same(['attempts', id], attempts, ledgerOf(id)?.attempts ?? 0),
    ),
    ...within('downtime', expected.downtime, tested.downtimeMs),
    ...within('duration', expected.duration, tested.durationMs),
    ...node(expected, run),
  ];
}

const whyOf = ({ context: { failure } }: ModelRun): string =>
  failure ? ` (${failure.step} failed: ${failure.code}: ${failure.message})` : '';

const show = (value: unknown): string => (Array.isArray(value) ? `[${value.join(', ')}]` : String(value));

function same(at: string | Pointer, expected: unknown, found: unknown, why = ''): readonly Mismatch[] {
  if (expected === undefined || JSON.stringify(expected) === JSON.stringify(found)) return [];
  const pointer = typeof at === 'string' ? [at] : at;
  return [{ pointer, message: `expected ${pointer.join(' ')} ${show(expected)}, found ${show(found)}${why}` }];
}

function failure({ failure: expected }: Expectation, { context }: ModelRun): readonly Mismatch[] {
  if (!expected) return [];
  const { failure: found } = context;
  if (!found) return [{ pointer: ['failure'], message: 'expected a failure, found none' }];
  const { step, code, message } = expected;
  const isTold = message === undefined || found.message.includes(message);
  return [
    ...same(['failure', 'step'], step, found.step),
    ...same(['failure', 'code'], code, found.code),
    ...(isTold ? [] : [{ pointer: ['failure', 'message'], message: `expected ${show(message)} in: ${found.message}` }]),
  ];
}

/** Steps that are done, by the time at which they ended; of equal times the earlier step first. */
function order(expected: readonly string[], { run, steps }: TestedRun): readonly Mismatch[] {
  const ledger = run.context.steps;
  const done = steps
    .filter(({ index }) => ledger[index]?.outcome === 'done')
    .toSorted((a, b) => ledger[a.index]!.endNs - ledger[b.index]!.endNs || a.index - b.index)
    .map(({ id }) => id);
  let from = 0;
  for (const [index, id] of expected.entries()) {
    const at = done.indexOf(id, from);
    if (at < 0) {
      const before = expected.slice(0, index).at(-1);
      const message = done.includes(id) ? `${id} was done before ${before}` : `${id} was not done`;
      return [{ pointer: ['order', index], message }];
    }
    from = at + 1;
  }
  return [];
}

function within(what: 'downtime' | 'duration', limit: Limit | undefined, foundMs: number): readonly Mismatch[] {
  const min = parseDuration(limit?.min ?? '0s');
  const max = limit?.max === undefined ? Number.POSITIVE_INFINITY : parseDuration(limit.max);
  const message = (bound: string): string => `expected a ${what} of ${bound}, found ${formatMs(foundMs)}`;
  if (typeof max === 'number' && foundMs > max) {
    return [{ pointer: [what, 'max'], message: message(`at most ${limit?.max}`) }];
  }
  if (typeof min === 'number' && foundMs < min) {
    return [{ pointer: [what, 'min'], message: message(`at least ${limit?.min}`) }];
  }
  return [];
}

function node({ node: expected }: Expectation, { node: { state } }: ModelRun): readonly Mismatch[] {
  if (!expected) return [];
  const at = (field: string): Pointer => ['node', field];
  return [
    ...same(at('virtualized'), expected.virtualized, state.isVirtualized),
    ...same(at('serving'), expected.serving, state.holders.size === 0 ? 'nobody' : [...state.holders].join(' and ')),
    ...same(at('answers'), expected.answers, state.answers),
    ...same(at('idleMemory'), expected.idleMemory, state.hasIdleMemory),
    ...same(at('attached'), expected.attached?.toSorted(), [...state.attached].sort()),
    ...same(at('guests'), expected.guests?.toSorted(), [...state.guests.keys()].sort()),
    ...same(at('disks'), expected.disks?.toSorted(), [...state.disks].sort()),
  ];
}
