/** Stage 2: data of unknown shape to a playbook that makes sense, or to what is wrong with it. */
import { type Diagnostic, type Finding, isError, sortDiagnostics } from '../diagnostics/diagnostic.ts';
import type { Playbook } from '../generated/playbook.ts';
import type { SourceFile } from '../parse/parse-yaml.ts';
import { checkSchema } from './check-schema.ts';
import { type Outline, outlineOf } from './outline.ts';
import { checkArguments } from './rules/arguments.ts';
import { checkCommit } from './rules/commit.ts';
import { checkExpressions } from './rules/expressions.ts';
import { checkFailureHandling } from './rules/failure.ts';
import { checkIds } from './rules/ids.ts';
import { checkOrder } from './rules/order.ts';
import { checkValues } from './rules/values.ts';

/** Rules see a playbook of the right shape only. */
const RULES: readonly ((outline: Outline) => readonly Finding[])[] = [
  checkIds,
  checkValues,
  checkArguments,
  checkExpressions,
  checkCommit,
  checkOrder,
  checkFailureHandling,
];

export interface Validation {
  readonly source: SourceFile;
  /** In the order of the file. */
  readonly diagnostics: readonly Diagnostic[];
  /** undefined where there is an error. */
  readonly playbook: Playbook | undefined;
}

export function validatePlaybook(source: SourceFile): Validation {
  if (source.data === undefined)
    return { source, diagnostics: sortDiagnostics(source.diagnostics), playbook: undefined };
  const shape = checkSchema(source.data);
  const findings = shape.length > 0 ? shape : rulesOf(source.data as Playbook);
  const diagnostics = sortDiagnostics([...source.diagnostics, ...findings.map((finding) => source.locate(finding))]);
  const isValid = !diagnostics.some(isError);
  return { source, diagnostics, playbook: isValid ? (source.data as Playbook) : undefined };
}

function rulesOf(playbook: Playbook): readonly Finding[] {
  const outline = outlineOf(playbook);
  return RULES.flatMap((rule) => rule(outline));
}
