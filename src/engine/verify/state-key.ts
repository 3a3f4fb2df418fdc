/** Two states with the same key have the same future: time, names and figures for the report are left out. */
import type { RunContext } from '../statechart/run-context.ts';
import type { Spot } from './edge.ts';

export function stateKey({ driver, node, conditions }: Spot): string {
  const { snapshot, openIntents, bootId } = driver;
  const { value, context, status } = snapshot;
  const { isCommitted, attempts, done, outcome, leftOver } = context;
  const isForward = typeof value === 'object' && !snapshot.hasTag('goes-back');
  return JSON.stringify([
    status,
    value,
    isCommitted,
    attempts,
    done.map(({ index, result }) => [index, result === null]),
    isForward ? [forward(context), [...conditions].sort()] : null,
    value === 'ending' || status === 'done' ? [outcome, leftOver.length] : null,
    node.bootId === bootId,
    node.state.key(),
    [...openIntents.keys()],
  ]);
}

/** What is asked by steps that are still to come; going back asks for nothing. */
function forward({
  tries,
  steps,
  outputs,
  over,
  stopping,
  exceeded,
  acceptedBudgets,
  waiting,
  phases,
}: RunContext): unknown {
  const isOpen = (index: string): boolean => !/^(?:done|skipped)/.test(steps[Number(index)]?.outcome ?? '');
  return [
    Object.entries(tries).flatMap(([index, { attempts, attemptsBefore }]) =>
      isOpen(index) ? [[index, attempts - attemptsBefore]] : [],
    ),
    Object.keys(outputs).sort(),
    [...over].sort(),
    stopping,
    exceeded.map(({ scope, phase }) => [scope, phase]),
    acceptedBudgets,
    waiting && [waiting.kind, waiting.sinceMs !== null, waiting.approvals.length],
    phases.at(-1)?.rounds,
  ];
}
