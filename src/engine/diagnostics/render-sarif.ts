/** SARIF 2.1.0, the format of code scanning. Source: OASIS, "Static Analysis Results Interchange Format". */
import { CODES, type DiagnosticCode } from './codes.ts';
import type { Diagnostic, Suppressed } from './diagnostic.ts';

const SCHEMA = 'https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json';

export interface SarifInput {
  readonly diagnostics: readonly Diagnostic[];
  readonly suppressed: readonly Suppressed[];
  readonly version: string;
}

export function renderSarif({ diagnostics, suppressed, version }: SarifInput): string {
  const all = [...diagnostics, ...suppressed.map(({ diagnostic }) => diagnostic)];
  const codes = [...new Set(all.map(({ code }) => code))].sort();
  const result = resultOf(codes);
  const log = {
    $schema: SCHEMA,
    version: '2.1.0',
    runs: [
      {
        tool: { driver: { name: 'mvctl', semanticVersion: version, rules: codes.map(ruleOf) } },
        columnKind: 'utf16CodeUnits',
        results: [
          ...diagnostics.map((diagnostic) => result(diagnostic)),
          ...suppressed.map(({ diagnostic, reason }) => ({
            ...result(diagnostic),
            suppressions: [{ kind: 'inSource', justification: reason }],
          })),
        ],
      },
    ],
  };
  return `${JSON.stringify(log, null, 2)}\n`;
}

function ruleOf(code: DiagnosticCode): object {
  const { title, severity } = CODES[code];
  return {
    id: code,
    shortDescription: { text: `${title.charAt(0).toUpperCase()}${title.slice(1)}.` },
    help: { text: `mvctl explain ${code}` },
    defaultConfiguration: { level: severity },
  };
}

const resultOf =
  (codes: readonly DiagnosticCode[]) =>
  ({ code, severity, message, hint, file, place }: Diagnostic): object => ({
    ruleId: code,
    ruleIndex: codes.indexOf(code),
    level: severity,
    message: { text: hint === undefined ? message : `${message} (${hint})` },
    locations: [
      {
        physicalLocation: {
          artifactLocation: { uri: uriOf(file) },
          region: {
            startLine: place.line,
            startColumn: place.col,
            endLine: place.endLine,
            endColumn: place.endCol,
          },
        },
      },
    ],
  });

/** A relative reference; a first part with a colon in it would be read as a scheme. */
function uriOf(file: string): string {
  const path = file.split('/').map(encodeURIComponent).join('/');
  return path.startsWith('/') ? `file://${path}` : path;
}
