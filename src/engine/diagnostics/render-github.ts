/**
 * Workflow commands of GitHub Actions: each line becomes an annotation of the change under review. Source: GitHub Docs,
 * "Workflow commands for GitHub Actions".
 */
import type { Diagnostic } from './diagnostic.ts';

export const renderGithub = (diagnostics: readonly Diagnostic[]): string =>
  diagnostics.map((diagnostic) => `${annotation(diagnostic)}\n`).join('');

function annotation({ severity, code, message, hint, file, place }: Diagnostic): string {
  const properties = {
    file,
    line: place.line,
    endLine: place.endLine,
    // Columns are only looked at where the line is one.
    ...(place.line === place.endLine ? { col: place.col, endColumn: place.endCol } : {}),
    title: code,
  };
  const list = Object.entries(properties).map(([name, value]) => `${name}=${escapeProperty(String(value))}`);
  return `::${severity} ${list.join(',')}::${escapeData(hint === undefined ? message : `${message}\nhint: ${hint}`)}`;
}

const escapeData = (text: string): string =>
  text.replaceAll('%', '%25').replaceAll('\r', '%0D').replaceAll('\n', '%0A');

const escapeProperty = (text: string): string => escapeData(text).replaceAll(':', '%3A').replaceAll(',', '%2C');
