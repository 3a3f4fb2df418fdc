/**
 * Whatever is not settled by a playbook is a choice: what the world does to a step, whether a condition holds. A piece of
 * work that asks for choices is done again for every combination of them.
 */

export interface Choice {
  readonly what: string;
  readonly option: string;
}

/** More combinations than this in one round mean that something asks for ever. */
const COMBINATIONS_MAX = 4_096;

export class Choices {
  readonly #given: readonly number[];
  readonly #taken: { readonly what: string; readonly option: string; readonly index: number; readonly of: number }[] =
    [];

  constructor(given: readonly number[]) {
    this.#given = given;
  }

  /** One of `options`: the first one unless this combination says otherwise. */
  choose<Option extends string>(what: string, options: readonly Option[]): Option {
    if (options.length === 1) return options[0]!;
    const index = this.#given[this.#taken.length] ?? 0;
    const option = options[index]!;
    this.#taken.push({ what, option, index, of: options.length });
    return option;
  }

  get taken(): readonly Choice[] {
    return this.#taken;
  }

  /** The next combination, or undefined after the last one. */
  next(): readonly number[] | undefined {
    for (let last = this.#taken.length - 1; last >= 0; last--) {
      const { index, of } = this.#taken[last]!;
      if (index + 1 < of) return [...this.#taken.slice(0, last).map((taken) => taken.index), index + 1];
    }
    return undefined;
  }
}

/** Does the work once for each combination of the choices it asks for. */
export async function forEachChoice(work: (choices: Choices) => Promise<void>): Promise<void> {
  let given: readonly number[] | undefined = [];
  for (let combination = 0; given !== undefined; combination++) {
    if (combination > COMBINATIONS_MAX) throw new Error(`more than ${COMBINATIONS_MAX} combinations of choices`);
    const choices = new Choices(given);
    await work(choices);
    given = choices.next();
  }
}
