/**
 * What an author wrote wrong: a value with a closed code and a place, collected and never thrown. Lines and columns count
 * from 1; columns count UTF-16 code units.
 */
import { CODES, type DiagnosticCode } from './codes.ts';

export type Severity = 'error' | 'warning';

export interface Place {
  readonly line: number;
  readonly col: number;
  readonly endLine: number;
  readonly endCol: number;
}

export interface Diagnostic {
  readonly code: DiagnosticCode;
  readonly severity: Severity;
  readonly message: string;
  readonly hint?: string;
  readonly file: string;
  readonly place: Place;
  /** An edit that mends it and changes nothing else. */
  readonly fix?: TextEdit;
}

/** Replaces what stands between two offsets of the text. */
export interface TextEdit {
  readonly start: number;
  readonly end: number;
  readonly text: string;
}

/** A diagnostic that a comment in the file silences. */
export interface Suppressed {
  readonly diagnostic: Diagnostic;
  readonly reason: string;
}

/** What a rule finds: everything of a diagnostic but the file and the place, which follow from the pointer. */
export interface Finding {
  readonly code: DiagnosticCode;
  readonly message: string;
  readonly hint?: string | undefined;
  readonly pointer: Pointer;
  /** Mark the key of the pointer's last part in place of its value. */
  readonly at?: 'key' | 'value';
  /** Mark only this part of a scalar: offset and length in the scalar's text. */
  readonly within?: { readonly text: string; readonly start: number; readonly end: number };
  /** How it is mended where that is safe: take the entry out, or write something else in its place. */
  readonly fix?: 'remove' | { readonly write: string };
}

/** Path from the root of the document: keys and indices. */
export type Pointer = readonly (string | number)[];

export const isError = (diagnostic: Diagnostic): boolean => diagnostic.severity === 'error';

export const severityOf = (code: DiagnosticCode): Severity => CODES[code].severity;

/** In the order of the files and within each; equal diagnostics once. */
export function sortDiagnostics(diagnostics: readonly Diagnostic[], files: readonly string[] = []): Diagnostic[] {
  const seen = new Set<string>();
  return [...diagnostics]
    .sort(
      (a, b) =>
        files.indexOf(a.file) - files.indexOf(b.file) ||
        a.place.line - b.place.line ||
        a.place.col - b.place.col ||
        (a.code < b.code ? -1 : 1),
    )
    .filter((diagnostic) => {
      const key = `${diagnostic.file}:${diagnostic.code}:${diagnostic.place.line}:${diagnostic.place.col}:${diagnostic.message}`;
      if (seen.has(key)) return false;
      seen.add(key);
      return true;
    });
}
