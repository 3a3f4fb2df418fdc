import type { Diagnostic, TextEdit } from './diagnostic.ts';

/** The text with the fixes of its diagnostics; of two that overlap the first one is made. */
export function applyFixes(
  text: string,
  diagnostics: readonly Diagnostic[],
): { readonly text: string; readonly fixed: readonly Diagnostic[] } {
  const fixed: (Diagnostic & { readonly fix: TextEdit })[] = [];
  const candidates = diagnostics.filter((found): found is (typeof fixed)[number] => found.fix !== undefined);
  for (const candidate of candidates.sort((a, b) => a.fix.start - b.fix.start)) {
    if (candidate.fix.start >= (fixed.at(-1)?.fix.end ?? 0)) fixed.push(candidate);
  }
  let mended = text;
  for (const { fix } of fixed.toReversed()) mended = mended.slice(0, fix.start) + fix.text + mended.slice(fix.end);
  return { text: mended, fixed };
}
