/** Stage 1: text to plain data, with a place for every value. Bounded: size, depth, and how far aliases expand. */
import type { DiagnosticCode } from '../diagnostics/codes.ts';
import { type Diagnostic, type Finding, type Place, severityOf } from '../diagnostics/diagnostic.ts';
import { readYaml } from './read-yaml.ts';
import { findSpan, LineMap } from './source-map.ts';
import { fixOf } from './text-fix.ts';
import { toData, type YamlNode } from './yaml-tree.ts';

export const FILE_BYTES_MAX = 1 << 20;

export interface SourceFile {
  readonly file: string;
  readonly text: string;
  /** undefined where the file could not be read as data at all. */
  readonly data: unknown;
  readonly diagnostics: readonly Diagnostic[];
  /** Gives a rule's finding its place. */
  locate(finding: Finding): Diagnostic;
}

type Problem = Omit<Finding, 'pointer'>;

export function parseYaml(file: string, content: Uint8Array | string): SourceFile {
  const diagnostic = ({ code, message, hint }: Problem, place: Place): Diagnostic => ({
    code,
    severity: severityOf(code),
    message,
    ...(hint === undefined ? {} : { hint }),
    file,
    place,
  });
  const unreadable = (code: DiagnosticCode, message: string, hint?: string): SourceFile => {
    const found = diagnostic({ code, message, hint }, { line: 1, col: 1, endLine: 1, endCol: 1 });
    return { file, text: '', data: undefined, diagnostics: [found], locate: () => found };
  };
  const bytes = typeof content === 'string' ? content.length : content.byteLength;
  if (bytes > FILE_BYTES_MAX) {
    return unreadable('MV0004', `expected at most ${FILE_BYTES_MAX} bytes, found more`);
  }
  const text = decode(content);
  if (text === undefined) {
    return unreadable('MV0006', 'expected UTF-8 text, found bytes that are none', 'save the file as UTF-8');
  }
  let lines: LineMap | undefined;
  const place = (start: number, end: number): Place => {
    lines ??= new LineMap(text);
    return lines.place(start, end);
  };
  const readable = (root: YamlNode): SourceFile => ({
    file,
    text,
    data: toData(root),
    diagnostics: [],
    locate(finding) {
      const { start, end } = findSpan(root, text, finding);
      const fix = fixOf(root, text, finding);
      return { ...diagnostic(finding, place(start, end)), ...(fix ? { fix } : {}) };
    },
  });
  const reading = readYaml(text);
  if (reading.ok) return readable(reading.root);
  const diagnostics = reading.problems.map(({ fix, ...problem }) => ({
    ...diagnostic(problem, place(problem.start, problem.end)),
    ...(fix ? { fix } : {}),
  }));
  return { file, text, data: undefined, diagnostics, locate: () => diagnostics[0]! };
}

function decode(content: Uint8Array | string): string | undefined {
  try {
    const text = typeof content === 'string' ? content : new TextDecoder('utf-8', { fatal: true }).decode(content);
    return text.includes('\0') ? undefined : text.replace(/^\ufeff/, '');
  } catch {
    return undefined;
  }
}
