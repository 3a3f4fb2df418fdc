/**
 * Prints diagnostics for a terminal: `file:line:col: severity CODE: message`, the lines of the file with a caret under
 * the place, and the hint.
 */
import { type Diagnostic, isError } from './diagnostic.ts';

/** Longest line shown whole; of a longer one the part around the place is shown. */
const LINE_COLUMNS_MAX = 140;

export function formatDiagnostic(diagnostic: Diagnostic, text: string | undefined): string {
  const { file, place, severity, code, message, hint } = diagnostic;
  const lines = [`${file}:${place.line}:${place.col}: ${severity} ${code}: ${message}`];
  if (text !== undefined) lines.push(...frame(text, diagnostic));
  if (hint !== undefined) lines.push(`  hint: ${hint}`);
  return lines.join('\n');
}

function frame(text: string, { place }: Diagnostic): string[] {
  const source = text.split('\n');
  const line = source[place.line - 1]?.replace(/\r$/, '');
  if (line === undefined) return [];
  const gutter = String(place.line).length;
  const start = place.col - 1;
  const end = place.endLine === place.line ? Math.max(place.endCol - 1, start + 1) : Math.max(line.length, start + 1);
  const cutLeft = Math.max(0, Math.min(start - 20, line.length - LINE_COLUMNS_MAX));
  const shown = printable(line.slice(cutLeft, cutLeft + LINE_COLUMNS_MAX));
  const marks = '^'.repeat(Math.max(1, Math.min(end - start, LINE_COLUMNS_MAX - (start - cutLeft))));
  const before = source[place.line - 2]?.replace(/\r$/, '');
  const context =
    before !== undefined && before.trim() !== '' && cutLeft === 0
      ? [` ${String(place.line - 1).padStart(gutter)} | ${printable(before.slice(0, LINE_COLUMNS_MAX))}`]
      : [];
  return [
    ...context,
    ` ${place.line} | ${shown}`,
    ` ${' '.repeat(gutter)} | ${' '.repeat(start - cutLeft)}${marks}`,
  ].map((row) => row.trimEnd());
}

/** One column per code unit, so that the caret stays below its place; nothing a terminal would obey. */
const printable = (line: string): string =>
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what it replaces
  line.replace(/\t/g, ' ').replace(/[\u0000-\u001f\u007f-\u009f]/g, '\ufffd');

/** `2 errors, 1 warning in playbook.yaml`. */
export function summarize(diagnostics: readonly Diagnostic[]): string {
  const errors = diagnostics.filter(isError).length;
  const warnings = diagnostics.length - errors;
  const count = (n: number, noun: string): string => `${n} ${noun}${n === 1 ? '' : 's'}`;
  if (errors === 0 && warnings === 0) return 'no problems';
  return [errors > 0 ? count(errors, 'error') : '', warnings > 0 ? count(warnings, 'warning') : '']
    .filter((part) => part !== '')
    .join(', ');
}
