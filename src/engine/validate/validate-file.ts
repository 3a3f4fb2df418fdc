/** A file of any kind that mvctl knows, checked as what it says it is. */
import { type Diagnostic, isError, type Suppressed, sortDiagnostics } from '../diagnostics/diagnostic.ts';
import { validate as calendarShape } from '../generated/validate-calendar.ts';
import { validate as fragmentShape } from '../generated/validate-fragment.ts';
import { validate as testShape } from '../generated/validate-playbook-test.ts';
import type { SourceFile } from '../parse/parse-yaml.ts';
import { checkSchema } from './check-schema.ts';
import { applyIgnores } from './inline-ignore.ts';
import { type ValidateOptions, validatePlaybook } from './validate-playbook.ts';

export interface Checked {
  readonly source: SourceFile;
  /** In the order of the file. */
  readonly diagnostics: readonly Diagnostic[];
  readonly suppressed: readonly Suppressed[];
  readonly isValid: boolean;
}

/** Kinds whose shape is all that can be told of the file alone: a fragment or a calendar is checked where it is used. */
const SHAPES = new Map<unknown, Parameters<typeof checkSchema>[1]>([
  ['Fragment', fragmentShape],
  ['Calendar', calendarShape],
  ['PlaybookTest', testShape],
]);

export function validateFile(source: SourceFile, options: ValidateOptions = {}): Checked {
  const shape = SHAPES.get((source.data as { readonly kind?: unknown } | null | undefined)?.kind);
  if (shape === undefined) {
    const { diagnostics, suppressed, playbook } = validatePlaybook(source, options);
    return { source, diagnostics, suppressed, isValid: playbook !== undefined };
  }
  const found = checkSchema(source.data, shape).map((finding) => source.locate(finding));
  const judged = applyIgnores(source.file, source.text, [...source.diagnostics, ...found]);
  return {
    source,
    diagnostics: sortDiagnostics(judged.diagnostics),
    suppressed: judged.suppressed,
    isValid: !judged.diagnostics.some(isError),
  };
}
