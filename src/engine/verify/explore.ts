/** Every state a run can get into and every way it can go on from there, breadth first: the first way found is a shortest. */
import type { Plan } from '../plan/plan.ts';
import { type CompiledPlan, compilePlan } from '../statechart/compiled-plan.ts';
import type { EffectInput } from '../statechart/run-context.ts';
import { stepKind } from '../steps/table.ts';
import { type Choices, forEachChoice } from './choices.ts';
import type { Edge, State } from './edge.ts';
import { isParked, type Round, Rounds } from './round.ts';
import { stateKey } from './state-key.ts';
import { UnknownEvaluator } from './unknown-evaluator.ts';

/** A playbook with more states than this is not explored further. */
export const STATES_MAX = 20_000;

export interface Exploration {
  readonly compiled: CompiledPlan;
  readonly states: readonly State[];
  readonly edges: number;
  /** Points at which the engine was ended and the run taken up again. */
  readonly crashes: number;
  /** Whether every state was seen. */
  readonly isComplete: boolean;
}

export async function explore(plan: Plan, statesMax: number): Promise<Exploration> {
  const evaluator = new UnknownEvaluator(plan);
  const compiled = compilePlan(plan, evaluator);
  const rounds = new Rounds(compiled, evaluator);
  const states: State[] = [];
  const byKey = new Map<string, State>();
  let edges = 0;
  let crashes = 0;

  const arrive = (spot: State['spot'], reachedBy: (to: State) => Edge | undefined): State => {
    const key = stateKey(spot);
    const known = byKey.get(key);
    if (known) return known;
    const { snapshot } = spot.driver;
    const outcome =
      snapshot.status === 'done' ? (snapshot.context.outcome ?? undefined) : isParked(spot) ? 'paused' : undefined;
    const state: State = { id: states.length, spot, outcome, reachedBy: undefined, edges: [] };
    state.reachedBy = reachedBy(state);
    byKey.set(key, state);
    states.push(state);
    return state;
  };

  arrive(rounds.start(), () => undefined);
  for (let next = 0; next < states.length && states.length <= statesMax; next++) {
    const from = states[next]!;
    if (from.outcome !== undefined && from.outcome !== 'paused') continue;
    const out: Edge[] = [];
    await forEachChoice(async (choices) => {
      const round = await rounds.go(from.spot, choices);
      const edge = edgeOf(compiled, from, round, choices);
      const to = arrive(round.spot, (state) => ({ ...edge, to: state }));
      out.push({ ...edge, to });
      edges += 1;
      if (round.fate.includes('crash')) crashes += 1;
    });
    from.edges = out;
  }
  return { compiled, states, edges, crashes, isComplete: states.length <= statesMax };
}

function edgeOf(compiled: CompiledPlan, from: State, round: Round, choices: Choices): Omit<Edge, 'to'> {
  const { fate, effect, error, timeoutMs: msMax } = round;
  return {
    from,
    effect,
    fate,
    choices: choices.taken,
    error,
    msMax,
    downtimeMsMax: isAnswered(compiled, from, round, effect) ? 0 : msMax,
    phase: from.spot.driver.snapshot.context.phases.at(-1)?.id ?? '',
  };
}

/** Whether a client gets its answers meanwhile, as far as the model can tell. */
function isAnswered(compiled: CompiledPlan, from: State, round: Round, effect: EffectInput | undefined): boolean {
  if (!from.spot.node.state.answers || !round.spot.node.state.answers) return false;
  if (effect?.kind !== 'step' && effect?.kind !== 'undo') return true;
  const step = compiled.steps[effect.kind === 'step' ? effect.index : effect.entry.index]!;
  const reboots =
    step.uses === 'vm.reboot' && effect.kind === 'step' && guestOf(step.with) === from.spot.node.state.serving;
  return !reboots && (stepKind(step.uses).prior.downtimeMs ?? 0) === 0;
}

const guestOf = (args: { readonly [name: string]: { readonly as: string; readonly value?: unknown } }): unknown =>
  args['guest']?.value;
