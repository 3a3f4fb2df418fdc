/**
 * What is true of the node at a point of the playbook, as far as it can be told without running it. A step with `when`
 * may not run: what it changes holds for later steps with the same condition and is uncertain for all others, but for
 * those with the opposite one (`when` and `unless`).
 */
import { GUEST_NAMES, type GuestName } from '../primitives.ts';

export type Truth = boolean | 'maybe';

interface Belief {
  /** Where no conditional step changed it, or where its condition did not hold. */
  base: Truth;
  /** Where the condition `when` holds. */
  conditional?: { readonly when: string; readonly value: boolean };
}

export class NodeFacts {
  readonly #beliefs = new Map<string, Belief>();

  constructor(disks: readonly string[]) {
    for (const fact of ['exists:old', 'runs:old', 'serves:old']) this.#beliefs.set(fact, { base: true });
    for (const disk of disks) this.#beliefs.set(`disk:${disk}`, { base: true });
  }

  get(fact: string, when: string | undefined): Truth {
    if (fact === 'two-guests') return both(this.get('exists:old', when), this.get('exists:new', when));
    const belief = this.#beliefs.get(fact) ?? { base: initially(fact) };
    const { base, conditional } = belief;
    if (!conditional || conditional.value === base) return base;
    if (conditional.when === when) return conditional.value;
    return areOpposite(conditional.when, when) ? base : 'maybe';
  }

  set(fact: string, value: boolean, when: string | undefined): void {
    const belief = this.#beliefs.get(fact) ?? { base: initially(fact) };
    if (when === undefined) this.#beliefs.set(fact, { base: value });
    else if (belief.conditional !== undefined && areOpposite(belief.conditional.when, when)) {
      this.#beliefs.set(fact, { ...belief, base: value });
    } else if (belief.conditional !== undefined && belief.conditional.when !== when) {
      this.#beliefs.set(fact, { base: 'maybe', conditional: { when, value } });
    } else this.#beliefs.set(fact, { base: belief.base, conditional: { when, value } });
  }

  /** The guest that has the service, if that is certain. */
  serving(when: string | undefined): GuestName | undefined {
    return GUEST_NAMES.find((guest) => this.get(`serves:${guest}`, when) === true);
  }
}

/** A device belongs to the guest it was made for until it is moved; nothing else is true that was not made true. */
function initially(fact: string): boolean {
  const owner = /^owns:(old|new):(old|new)\./.exec(fact);
  return owner !== null && owner[1] === owner[2];
}

/** A step has `when: X` and another `unless: X`. */
const areOpposite = (a: string, b: string | undefined): boolean => a === `!(${b})` || b === `!(${a})`;

const both = (a: Truth, b: Truth): Truth =>
  a === false || b === false ? false : a === true && b === true ? true : 'maybe';
