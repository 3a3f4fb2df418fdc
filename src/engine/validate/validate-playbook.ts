/** Stage 2: data of unknown shape to a playbook that makes sense, or to what is wrong with it. */
import { basename } from 'node:path';
import { CODES, isInProfile, type Profile } from '../diagnostics/codes.ts';
import { type Diagnostic, type Finding, isError, type Suppressed, sortDiagnostics } from '../diagnostics/diagnostic.ts';
import { checkTimes } from '../expand/calendars.ts';
import { expandPlaybook } from '../expand/expand-playbook.ts';
import type { Expanded } from '../expand/expanded.ts';
import { checkFragment } from '../expand/fragment-shape.ts';
import { sampleOf } from '../expand/parameters.ts';
import type { Calendar } from '../generated/calendar.ts';
import type { Playbook } from '../generated/playbook.ts';
import { parseYaml, type SourceFile } from '../parse/parse-yaml.ts';
import { checkShape } from './check-schema.ts';
import { applyIgnores, type Judged } from './inline-ignore.ts';
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
import { checkWaits } from './rules/waits.ts';

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
  checkWaits,
];

/** Of a fragment that nobody includes yet. */
const FRAGMENT_RULES: typeof RULES = [checkIds, checkValues, checkArguments, checkExpressions, checkCommands];

export interface Validation {
  readonly source: SourceFile;
  /** In the order of the file. */
  readonly diagnostics: readonly Diagnostic[];
  /** What comments in the file silence. */
  readonly suppressed: readonly Suppressed[];
  /** What a plan is made from; undefined where there is an error, or where the file is no playbook. */
  readonly playbook: Outline | undefined;
  readonly isValid: boolean;
  /** Text of every file that a diagnostic may be in. */
  readonly texts: ReadonlyMap<string, string>;
}

export interface ValidateOptions {
  /** `standard` unless it says otherwise. */
  readonly profile?: Profile;
  /** Content of a file that the playbook names, by its path relative to the playbook. Throws where it cannot be read. */
  readonly readFile?: (path: string) => Uint8Array;
}

/** A file of any kind that mvctl knows, checked as what it says it is; what says nothing is taken for a playbook. */
export function validatePlaybook(source: SourceFile, options: ValidateOptions = {}): Validation {
  const { profile = 'standard', readFile } = options;
  const found: Found = source.data === undefined ? { findings: source.diagnostics } : check(source, readFile);
  const files = [source, ...(found.files ?? [])];
  const judged = files.reduce<Judged>(
    ({ diagnostics, suppressed }, { file, text }) => {
      const next = applyIgnores(file, text, diagnostics);
      return { diagnostics: next.diagnostics, suppressed: [...suppressed, ...next.suppressed] };
    },
    { diagnostics: found.findings, suppressed: [] },
  );
  const inProfile = judged.diagnostics.filter(({ code }) => isInProfile(code, profile));
  const diagnostics = sortDiagnostics(
    inProfile,
    files.map(({ file }) => file),
  );
  const isValid = !diagnostics.some(isError);
  return {
    source,
    diagnostics,
    suppressed: judged.suppressed,
    isValid,
    playbook: isValid ? found.outline : undefined,
    texts: new Map(files.map(({ file, text }) => [file, text])),
  };
}

interface Found {
  readonly findings: readonly Diagnostic[];
  /** Files besides the one that is checked. */
  readonly files?: readonly SourceFile[];
  readonly outline?: Outline;
}

function check(source: SourceFile, readFile: ValidateOptions['readFile']): Found {
  const kind = (source.data as { readonly kind?: unknown } | null)?.kind;
  if (kind === 'Calendar') return { findings: checkCalendar(source) };
  if (kind === 'Fragment') return checkLoneFragment(source, readFile);
  // Whether it fits its playbook is seen when it is run.
  if (kind === 'PlaybookTest')
    return { findings: checkShape(kind, source.data).map((finding) => source.locate(finding)) };
  const shape = checkShape('Playbook', source.data);
  if (shape.length > 0) return { findings: shape.map((finding) => source.locate(finding)) };
  return checkRules(expandPlaybook(source, source.data as Playbook, { readFile }), RULES);
}

function checkRules(expanded: Expanded, rules: typeof RULES): Found {
  // What is not complete would be said to lack what stands in the missing part.
  const { files, diagnostics } = expanded;
  if (diagnostics.some(isError)) return { findings: diagnostics, files };
  const outline = outlineOf(expanded);
  const findings = rules.flatMap((rule) => rule(outline)).map((finding) => outline.locate(finding));
  return { findings: [...diagnostics, ...findings], files, outline };
}

/** Without what a comment may silence: that was judged where the comments are. */
export const errorsWithValues = (expanded: Expanded): readonly Diagnostic[] =>
  checkRules(expanded, RULES).findings.filter((found) => isError(found) && !CODES[found.code].isIgnorable);

/** A fragment alone: what depends on where it is included cannot be judged. */
function checkLoneFragment(source: SourceFile, readFile: ValidateOptions['readFile']): Found {
  const fragment = checkFragment(source);
  if ('diagnostics' in fragment) return { findings: fragment.diagnostics };
  const include = basename(source.file);
  const args = Object.entries(fragment.params ?? {}).flatMap(([name, parameter]) =>
    parameter && parameter.default === undefined ? [[name, sampleOf(parameter)] as const] : [],
  );
  const steps = [{ id: 'fragment', include, with: Object.fromEntries(args) }];
  const around = { apiVersion: 'mvctl/v1', kind: 'Playbook', name: 'fragment', phases: [{ id: 'fragment', steps }] };
  const expanded = expandPlaybook(parseYaml(source.file, JSON.stringify(around)), around as Playbook, {
    readFile(path) {
      if (path === include) return new TextEncoder().encode(source.text);
      if (!readFile) throw new Error('this fragment is checked without other files');
      return readFile(path);
    },
  });
  return { findings: checkRules(expanded, FRAGMENT_RULES).findings };
}

function checkCalendar(source: SourceFile): readonly Diagnostic[] {
  const shape = checkShape('Calendar', source.data);
  const findings = shape.length > 0 ? shape : checkTimes(source.data as Calendar, []);
  return findings.map((finding) => source.locate(finding));
}
