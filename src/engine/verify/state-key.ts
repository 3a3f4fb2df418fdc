/** Two states with the same key have the same future: time, names and figures for the report are left out. */
import type { Spot } from './edge.ts';

export function stateKey({ driver, node, conditions }: Spot): string {
  const { value, context, status } = driver.snapshot;
  const { isCommitted, attempts, attemptsBefore, done, outputs, outcome, leftOver } = context;
  // Conditions and outputs are asked by steps that are still to come; going back asks for nothing.
  const isForward =
    context.phases.at(-1)?.endNs === null && typeof value === 'object' && !driver.snapshot.hasTag('goes-back');
  return JSON.stringify([
    status,
    value,
    isCommitted,
    attempts - attemptsBefore,
    done.map(({ index, result }) => [index, result === null]),
    isForward ? [Object.keys(outputs), [...conditions].sort()] : null,
    value === 'ending' || status === 'done' ? [outcome, leftOver.length] : null,
    node.bootId === driver.bootId,
    node.state.key(),
    [...driver.openIntents.keys()],
  ]);
}
