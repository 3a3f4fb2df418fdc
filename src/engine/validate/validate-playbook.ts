/** Stage 2: data of unknown shape to a playbook that makes sense, or to what is wrong with it. */
import { isInProfile, type Profile } from '../diagnostics/codes.ts';
import { type Diagnostic, type Finding, isError, type Suppressed, sortDiagnostics } from '../diagnostics/diagnostic.ts';
import type { Playbook } from '../generated/playbook.ts';
import type { SourceFile } from '../parse/parse-yaml.ts';
import { checkSchema } from './check-schema.ts';
import { applyIgnores } from './inline-ignore.ts';
import { type Outline, outlineOf } from './outline.ts';
import { checkArguments } from './rules/arguments.ts';
import { checkCommands } from './rules/commands.ts';
import { checkCommit } from './rules/commit.ts';
import { checkDisks } from './rules/disks.ts';
import { checkExpressions } from './rules/expressions.ts';
import { checkFailureHandling } from './rules/failure.ts';
import { checkIds } from './rules/ids.ts';
import { checkOrder } from './rules/order.ts';
import { checkPhases } from './rules/phases.ts';
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
  checkDisks,
  checkCommands,
  checkPhases,
];

export interface Validation {
  readonly source: SourceFile;
  /** In the order of the file. */
  readonly diagnostics: readonly Diagnostic[];
  /** What comments in the file silence. */
  readonly suppressed: readonly Suppressed[];
  /** undefined where there is an error. */
  readonly playbook: Playbook | undefined;
}

export interface ValidateOptions {
  /** `standard` unless it says otherwise. */
  readonly profile?: Profile;
}

export function validatePlaybook(source: SourceFile, { profile = 'standard' }: ValidateOptions = {}): Validation {
  if (source.data === undefined)
    return { source, diagnostics: sortDiagnostics(source.diagnostics), suppressed: [], playbook: undefined };
  const shape = checkSchema(source.data);
  const findings = shape.length > 0 ? shape : rulesOf(source.data as Playbook);
  const found = [...source.diagnostics, ...findings.map((finding) => source.locate(finding))];
  const judged = applyIgnores(source.file, source.text, found);
  const diagnostics = sortDiagnostics(judged.diagnostics.filter(({ code }) => isInProfile(code, profile)));
  const isValid = !diagnostics.some(isError);
  return {
    source,
    diagnostics,
    suppressed: judged.suppressed,
    playbook: isValid ? (source.data as Playbook) : undefined,
  };
}

function rulesOf(playbook: Playbook): readonly Finding[] {
  const outline = outlineOf(playbook);
  return RULES.flatMap((rule) => rule(outline));
}
