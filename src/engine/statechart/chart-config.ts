/** Types of the parts a chart is made of: values of the vocabulary. */
import type { vocabulary } from './vocabulary.ts';

type Vocabulary = ReturnType<typeof vocabulary>;

export type ChartConfig = Parameters<Vocabulary['createMachine']>[0];
export type StateConfig = NonNullable<ChartConfig['states']>[string];
export type States = { [key: string]: StateConfig };
export type Always = Extract<NonNullable<StateConfig['always']>, readonly unknown[]>[number];
export type Transition = Exclude<NonNullable<StateConfig['onDone']>, string | readonly unknown[]>;
