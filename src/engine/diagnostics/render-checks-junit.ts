/** Findings as JUnit XML: a suite a file, a case a finding; a file without any is a case that passed. */
import { type JunitSuite, junitXml } from '../report/junit-xml.ts';
import type { Diagnostic, Suppressed } from './diagnostic.ts';
import { formatDiagnostic } from './frame.ts';

export interface CheckedFile {
  readonly file: string;
  readonly text: string;
  readonly diagnostics: readonly Diagnostic[];
  readonly suppressed: readonly Suppressed[];
}

export function renderChecksJunit(files: readonly CheckedFile[], startedAt: string): string {
  return junitXml(files.map((checked) => suiteOf(checked, startedAt)));
}

function suiteOf({ file, text, diagnostics, suppressed }: CheckedFile, startedAt: string): JunitSuite {
  const common = { className: file, timeMs: 0 };
  const name = ({ code, place }: Diagnostic): string => `${code} at ${place.line}:${place.col}`;
  const failed = diagnostics.map((found) => ({
    ...common,
    name: name(found),
    verdict: {
      kind: 'failure' as const,
      type: found.code,
      message: found.message,
      details: formatDiagnostic(found, found.file === file ? text : undefined),
    },
  }));
  const skipped = suppressed.map(({ diagnostic, reason }) => ({
    ...common,
    name: name(diagnostic),
    verdict: { kind: 'skipped' as const, message: reason },
  }));
  const passed = { ...common, name: 'checks', verdict: { kind: 'passed' as const } };
  return { name: file, startedAt, cases: failed.length > 0 ? [...failed, ...skipped] : [passed, ...skipped] };
}
