/** What the world may do to an effect, as the checker tries it out and as a test or an operator asks for it. */
import type { FailureCode } from '../primitives.ts';
import type { Interference } from './model-node.ts';

/** The first is what everybody hopes for. */
export const FATES = [
  'ok',
  /** Refused or failed, and nothing was done; failed after a part of it was done. */
  'fails',
  'fails-half-way',
  'times-out',
  'times-out-half-way',
  /** Done, but it took all the time there was. */
  'takes-all-time',
  /** Done, but the service did not answer all the while. */
  'too-much-downtime',
  /** mvctl dies with its intent on disk and nothing done; with all done and nothing of it on disk. */
  'crash-before',
  'crash-after',
  'fails-then-crash',
  /** The node loses its power; what was flushed stays. */
  'power-lost-before',
  'power-lost-after',
  /** The guest's OS goes down as it begins. */
  'old-goes-down',
  'new-goes-down',
] as const;

export type Fate = (typeof FATES)[number];

/** mvctl dies here, or cannot reach the node any more. */
export class Crash extends Error {
  override readonly name = 'Crash';
}

export const losesPower = (fate: Fate): boolean => fate.startsWith('power-lost');

/** Before the node is asked. */
export const endsBefore = (fate: Fate): boolean => fate === 'crash-before' || fate === 'power-lost-before';

/** Before the end of it is on disk. */
export const endsAfter = (fate: Fate): boolean =>
  fate === 'crash-after' || fate === 'fails-then-crash' || fate === 'power-lost-after';

export const usesAllTime = (fate: Fate): boolean => fate.startsWith('times-out') || fate === 'takes-all-time';

export function interferenceOf(fate: Fate, code: FailureCode = 'refused', message?: string): Interference | undefined {
  const told = message === undefined ? {} : { message };
  switch (fate) {
    case 'fails':
    case 'fails-then-crash':
      return { fails: code, ...told };
    case 'fails-half-way':
      return { fails: code, halfWay: true, ...told };
    case 'times-out':
      return { fails: 'timeout', ...told };
    case 'times-out-half-way':
      return { fails: 'timeout', halfWay: true, ...told };
    case 'old-goes-down':
      return { goesDown: 'old' };
    case 'new-goes-down':
      return { goesDown: 'new' };
    default:
      return undefined;
  }
}
