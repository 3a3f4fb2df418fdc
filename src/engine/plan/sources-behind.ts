/** The expressions that a value or a condition of a plan comes from: a parameter stands for what it was given. */
import type { PlanContent, PlannedValue } from './plan.ts';

export interface ScopedSource {
  readonly source: string;
  /** Where it finds its names: a key of PlanContent.scopes. */
  readonly scope: string;
}

/** The expression itself, and those that its parameters stand for where the fragment is included. */
export function sourcesBehind({ scopes }: Pick<PlanContent, 'scopes'>, at: ScopedSource): readonly ScopedSource[] {
  const { parent, params } = scopes[at.scope]!;
  if (parent === null) return [at];
  const given = Object.entries(params).flatMap(([name, { value }]) =>
    namesParameter(at.source, name) ? sourcesOf(value) : [],
  );
  return [at, ...given.flatMap((source) => sourcesBehind({ scopes }, { source, scope: parent }))];
}

const namesParameter = (source: string, name: string): boolean =>
  new RegExp(`\\bparams(?:\\.${name}\\b|\\[["']${name}["']\\])`).test(source);

export function sourcesOf(value: PlannedValue): readonly string[] {
  switch (value.as) {
    case 'expression':
      return [value.source];
    case 'text':
      return value.parts.flatMap((part) => (typeof part === 'object' && 'source' in part ? [part.source] : []));
    case 'list':
      return value.items.flatMap(sourcesOf);
    case 'map':
      return Object.values(value.entries).flatMap(sourcesOf);
    default:
      return [];
  }
}
