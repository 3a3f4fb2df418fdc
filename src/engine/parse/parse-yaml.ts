/**
 * Stage 1: text to plain data, with a place for every node. Bounded: size, depth, and how far aliases expand.
 * Source: YAML 1.2 core schema, so `yes`, `no` and `on` are strings.
 */
import {
  type Alias,
  type Document,
  isAlias,
  isMap,
  isScalar,
  isSeq,
  LineCounter,
  type Node,
  parseDocument,
} from 'yaml';
import type { DiagnosticCode } from '../diagnostics/codes.ts';
import { type Diagnostic, type Finding, severityOf } from '../diagnostics/diagnostic.ts';
import { findPlace, type SourceMap } from './source-map.ts';

const FILE_BYTES_MAX = 1 << 20;
const DEPTH_MAX = 64;
/** Nodes after aliases are expanded. */
const NODES_MAX = 100_000;

export interface SourceFile {
  readonly file: string;
  readonly text: string;
  /** undefined where the file could not be read as data at all. */
  readonly data: unknown;
  readonly diagnostics: readonly Diagnostic[];
  /** Gives a rule's finding its place. */
  locate(finding: Finding): Diagnostic;
}

export function parseYaml(file: string, content: Uint8Array | string): SourceFile {
  const unreadable = (code: DiagnosticCode, message: string, hint?: string): SourceFile => {
    const place = { line: 1, col: 1, endLine: 1, endCol: 1 };
    const found: Diagnostic = { code, severity: severityOf(code), message, file, place, ...(hint ? { hint } : {}) };
    return { file, text: '', data: undefined, diagnostics: [found], locate: () => found };
  };
  const bytes = typeof content === 'string' ? content.length : content.byteLength;
  if (bytes > FILE_BYTES_MAX) {
    return unreadable('MV0004', `expected at most ${FILE_BYTES_MAX} bytes, found ${bytes}`);
  }
  const text = decode(content);
  if (text === undefined) {
    return unreadable('MV0006', 'expected UTF-8 text, found bytes that are none', 'save the file as UTF-8');
  }
  return readText(file, text);
}

function decode(content: Uint8Array | string): string | undefined {
  try {
    const text = typeof content === 'string' ? content : new TextDecoder('utf-8', { fatal: true }).decode(content);
    return text.includes('\0') ? undefined : text.replace(/^\ufeff/, '');
  } catch {
    return undefined;
  }
}

function readText(file: string, text: string): SourceFile {
  const lines = new LineCounter();
  const diagnostics: Diagnostic[] = [];
  const at = (code: DiagnosticCode, message: string, start: number, end: number, hint?: string): void => {
    diagnostics.push({
      code,
      severity: severityOf(code),
      message,
      ...(hint === undefined ? {} : { hint }),
      file,
      place: offsetsToPlace(lines, start, end),
    });
  };
  const document = compose(text, lines);
  if (document === undefined) {
    lines.addNewLine(0);
    at('MV0005', `expected at most ${DEPTH_MAX} levels, found many more`, 0, 1);
    return { file, text, data: undefined, diagnostics, locate: () => diagnostics[0]! };
  }
  // What follows the first error is the parser finding its feet again.
  for (const problem of document.errors.slice(0, 1)) {
    const { code, message, hint } = describeYamlError(problem.code, problem.message, text, problem.pos[0]);
    at(code, message, problem.pos[0], problem.pos[1], hint);
  }
  const reader = new Reader(document, at);
  const data = document.errors.length === 0 ? reader.read() : undefined;
  const sourceMap: SourceMap = { document, text, place: (start, end) => offsetsToPlace(lines, start, end) };
  return {
    file,
    text,
    data: diagnostics.length === 0 ? data : undefined,
    diagnostics,
    locate: (finding) => ({
      code: finding.code,
      severity: severityOf(finding.code),
      message: finding.message,
      ...(finding.hint === undefined ? {} : { hint: finding.hint }),
      file,
      place: findPlace(sourceMap, finding),
    }),
  };
}

/** The composer is recursive: a file nested deeply enough exhausts the stack, which is the author's mistake. */
function compose(text: string, lines: LineCounter): Document.Parsed | undefined {
  try {
    return parseDocument(text, { lineCounter: lines, prettyErrors: false, strict: true, uniqueKeys: true });
  } catch (error) {
    if (error instanceof RangeError) return undefined;
    throw error;
  }
}

function offsetsToPlace(lines: LineCounter, start: number, end: number): Diagnostic['place'] {
  const from = lines.linePos(start);
  const to = lines.linePos(Math.max(start, end));
  return { line: Math.max(1, from.line), col: Math.max(1, from.col), endLine: Math.max(1, to.line), endCol: to.col };
}

function describeYamlError(
  yamlCode: string,
  message: string,
  text: string,
  start: number,
): { code: DiagnosticCode; message: string; hint?: string } {
  const lineStart = text.lastIndexOf('\n', start - 1) + 1;
  const lead = /^[ ]*\t/.exec(text.slice(lineStart));
  switch (yamlCode) {
    case 'TAB_AS_INDENT':
      return { code: 'MV0002', message: 'expected spaces as indentation, found a tab', hint: 'indent with two spaces' };
    case 'DUPLICATE_KEY':
      return { code: 'MV0003', message: 'expected each key once in a mapping', hint: 'remove or rename one of them' };
    case 'MULTIPLE_DOCS':
      return { code: 'MV0007', message: 'expected one document, found more', hint: 'one playbook, one file' };
    default:
      if (lead) {
        return {
          code: 'MV0002',
          message: 'expected spaces as indentation, found a tab',
          hint: 'indent with two spaces',
        };
      }
      return { code: 'MV0001', message: message.charAt(0).toLowerCase() + message.slice(1) };
  }
}

type Report = (code: DiagnosticCode, message: string, start: number, end: number, hint?: string) => void;

/** Nodes to plain values. Mappings get no prototype surprises: every key becomes an own property. */
class Reader {
  readonly #document: Document.Parsed;
  readonly #report: Report;
  #nodes = 0;
  #stopped = false;

  constructor(document: Document.Parsed, report: Report) {
    this.#document = document;
    this.#report = report;
  }

  read(): unknown {
    if (this.#document.contents === null) {
      this.#report('MV0007', 'expected a playbook, found an empty file', 0, 1, 'see playbooks/online-os-upgrade.yaml');
      return undefined;
    }
    return this.#value(this.#document.contents, 0);
  }

  #value(node: Node | null, depth: number): unknown {
    if (this.#stopped || node === null) return null;
    this.#nodes += 1;
    if (depth > DEPTH_MAX || this.#nodes > NODES_MAX) {
      this.#stopped = true;
      const limit = depth > DEPTH_MAX ? `${DEPTH_MAX} levels` : `${NODES_MAX} values after aliases are expanded`;
      this.#report('MV0005', `expected at most ${limit}`, ...range(node), 'write it out, or split the playbook');
      return null;
    }
    if (isAlias(node)) return this.#alias(node, depth);
    if (isScalar(node)) return this.#scalar(node.value, node);
    if (isSeq(node)) return node.items.map((item) => this.#value(item as Node | null, depth + 1));
    if (isMap(node)) return this.#map(node.items as { key: Node; value: Node | null }[], depth);
    return null;
  }

  #alias(alias: Alias, depth: number): unknown {
    const target = alias.resolve(this.#document);
    if (target !== undefined) return this.#value(target, depth + 1);
    this.#report('MV0008', `expected an anchor &${alias.source} before this alias`, ...range(alias));
    return null;
  }

  #scalar(value: unknown, node: Node): unknown {
    const exact = typeof value !== 'number' || (Number.isFinite(value) && Math.abs(value) <= Number.MAX_SAFE_INTEGER);
    if (exact && typeof value !== 'bigint') return value;
    this.#report('MV0010', `expected a finite number of at most 2^53 - 1, found ${String(value)}`, ...range(node));
    return null;
  }

  #map(items: readonly { key: Node; value: Node | null }[], depth: number): unknown {
    const object: Record<string, unknown> = {};
    for (const { key, value } of items) {
      if (!isScalar(key) || typeof key.value !== 'string') {
        this.#report('MV0009', 'expected a string as key', ...range(key), 'quote the key');
        continue;
      }
      Object.defineProperty(object, key.value, {
        value: this.#value(value, depth + 1),
        enumerable: true,
        configurable: true,
        writable: true,
      });
    }
    return object;
  }
}

const range = (node: Node): [number, number] => [node.range?.[0] ?? 0, node.range?.[1] ?? 0];
