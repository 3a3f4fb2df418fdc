/**
 * Text to what it says, with places, or to what is wrong with it. Source: YAML 1.2 core schema, so `yes`, `no` and `on`
 * are strings. Bounded: depth, and how far aliases expand. Reads js-yaml's events: nine times as fast as a document of the
 * package `yaml` (bench/RESULTS.md), which this replaced, and with the offsets that its own documents lack.
 */
import {
  boolCoreTag,
  EVENT_ID,
  type Event,
  floatCoreTag,
  getScalarValue,
  intCoreTag,
  nullCoreTag,
  parseEvents,
  SCALAR_STYLE,
  type ScalarTagDefinition,
  YAMLException,
} from 'js-yaml';
import type { DiagnosticCode } from '../diagnostics/codes.ts';
import type { TextEdit } from '../diagnostics/diagnostic.ts';
import type { Span, YamlEntry, YamlNode, YamlScalar } from './yaml-tree.ts';

const DEPTH_MAX = 64;
/** Nodes after aliases are expanded. */
const NODES_MAX = 100_000;

type ImplicitTag = Pick<ScalarTagDefinition, 'tagName' | 'resolve'>;

/** What a plain scalar can be besides text, by its first character. */
const IMPLICIT_TAGS: ReadonlyMap<string, readonly ImplicitTag[]> = (() => {
  const byFirst = new Map<string, ImplicitTag[]>();
  for (const tag of [nullCoreTag, boolCoreTag, intCoreTag, floatCoreTag]) {
    for (const char of tag.implicitFirstChars ?? []) byFirst.set(char, [...(byFirst.get(char) ?? []), tag]);
  }
  return byFirst;
})();

/** What is wrong between two offsets of the text. */
export interface YamlProblem extends Span {
  readonly code: DiagnosticCode;
  readonly message: string;
  readonly hint?: string;
  readonly fix?: TextEdit;
}

export type YamlReading =
  | { readonly ok: true; readonly root: YamlNode }
  | { readonly ok: false; readonly problems: readonly YamlProblem[] };

export function readYaml(text: string): YamlReading {
  let events: readonly Event[];
  try {
    events = parseEvents(text, { maxDepth: DEPTH_MAX });
  } catch (error) {
    if (!(error instanceof YAMLException)) throw error;
    return { ok: false, problems: [syntaxProblem(error, text)] };
  }
  return new TreeReader(text, events).read();
}

/** What an author can make of a parser's words. */
const SYNTAX_HINTS: readonly (readonly [reason: RegExp, hint: string])[] = [
  [/^bad indentation/, 'keys of one mapping start in one column; quote a value with a colon and a space in it'],
  [/^deficient indentation/, 'is a bracket or a quote left open above?'],
  [/implicit key/, 'is a colon missing behind a key?'],
  [/document separator is expected/, 'does the line begin in the right column?'],
];

function syntaxProblem({ reason, mark }: YAMLException, text: string): YamlProblem {
  const start = Math.min(mark?.position ?? 0, Math.max(0, text.length - 1));
  const at = { start, end: start + 1 };
  const lineStart = text.lastIndexOf('\n', start - 1) + 1;
  const lead = /^[ \t]*/.exec(text.slice(lineStart))![0];
  if (/^tab characters/.test(reason) || lead.includes('\t')) {
    const message = 'expected spaces as indentation, found a tab';
    const fix = { start: lineStart, end: lineStart + lead.length, text: lead.replaceAll('\t', '  ') };
    return { code: 'MV0002', message, hint: 'indent with two spaces', ...(lead.includes('\t') ? { fix } : {}), ...at };
  }
  if (/maxDepth/.test(reason)) return { ...tooMuch(`${DEPTH_MAX} levels`), ...at };
  const hint = SYNTAX_HINTS.find(([pattern]) => pattern.test(reason))?.[1];
  return { code: 'MV0001', message: reason, ...(hint === undefined ? {} : { hint }), ...at };
}

const tooMuch = (limit: string): Omit<YamlProblem, keyof Span> => ({
  code: 'MV0005',
  message: `expected at most ${limit}`,
  hint: 'write it out, or split the playbook',
});

/** A value with an anchor, for the aliases that follow. */
interface Anchored {
  readonly node: YamlNode;
  /** Nodes in it, and levels below it. */
  readonly count: number;
  readonly height: number;
}

type ScalarEvent = Extract<Event, { readonly valueStart: number }>;
type AnchorRange = Pick<ScalarEvent, 'anchorStart' | 'anchorEnd'>;
type TagRange = Pick<ScalarEvent, 'tagStart' | 'tagEnd'>;

/** Thrown where going on makes no sense, caught in `read`. */
class Stop extends Error {}

class TreeReader {
  readonly #text: string;
  readonly #events: readonly Event[];
  readonly #problems: YamlProblem[] = [];
  readonly #anchors = new Map<string, Anchored>();
  #next = 0;
  #nodes = 0;
  /** The deepest level since an anchor began. */
  #deepest = 0;
  /** End of what was read last. */
  #end = 0;

  constructor(text: string, events: readonly Event[]) {
    this.#text = text;
    this.#events = events;
  }

  read(): YamlReading {
    const documents = this.#events.filter(({ type }) => type === EVENT_ID.DOCUMENT).length;
    this.#next = 1;
    try {
      if (this.#isEmpty()) {
        const hint = 'see playbooks/online-os-upgrade.yaml';
        this.#report('MV0007', 'expected a playbook, found an empty file', { start: 0, end: 1 }, hint);
      } else {
        const root = this.#value(0);
        if (documents > 1) {
          const at = { start: this.#end, end: this.#end + 1 };
          this.#report('MV0007', 'expected one document, found more', this.#nextMark(at), 'one playbook, one file');
        }
        if (this.#problems.length === 0) return { ok: true, root };
      }
    } catch (error) {
      if (!(error instanceof Stop)) throw error;
    }
    return { ok: false, problems: this.#problems };
  }

  /** No document, or one of nothing but comments. */
  #isEmpty(): boolean {
    const first = this.#events[1];
    return first === undefined || first.type === EVENT_ID.POP || (isScalar(first) && first.valueStart < 0);
  }

  /** The `---` that begins the second document. */
  #nextMark({ start, end }: Span): Span {
    const mark = this.#text.indexOf('\n---', start - 1) + 1;
    return mark > 0 ? { start: mark, end: mark + 3 } : { start, end };
  }

  #report(code: DiagnosticCode, message: string, { start, end }: Span, hint?: string): void {
    this.#problems.push({ code, message, ...(hint === undefined ? {} : { hint }), start, end });
  }

  #stop(limit: string, at: Span): never {
    this.#problems.push({ ...tooMuch(limit), start: at.start, end: at.end });
    throw new Stop();
  }

  #value(depth: number): YamlNode {
    const event = this.#events[this.#next++]!;
    const [nodesBefore, deepestBefore] = [this.#nodes, this.#deepest];
    this.#nodes += 1;
    this.#deepest = depth;
    const node = this.#node(event, depth);
    this.#end = Math.max(this.#end, node.end);
    if (this.#nodes > NODES_MAX) this.#stop(`${NODES_MAX} values after aliases are expanded`, node);
    if (this.#deepest > DEPTH_MAX) this.#stop(`${DEPTH_MAX} levels after aliases are expanded`, node);
    if ('anchorStart' in event && event.anchorStart >= 0 && node.kind !== 'alias') {
      const [count, height] = [this.#nodes - nodesBefore, this.#deepest - depth];
      this.#anchors.set(this.#anchorOf(event), { node, count, height });
    }
    this.#deepest = Math.max(this.#deepest, deepestBefore);
    return node;
  }

  #node(event: Event, depth: number): YamlNode {
    switch (event.type) {
      case EVENT_ID.SCALAR:
        return this.#scalar(event);
      case EVENT_ID.ALIAS:
        return this.#alias(event, depth);
      case EVENT_ID.SEQUENCE:
        this.#checkTag(event, '!!seq');
        return this.#list(event.start, depth);
      case EVENT_ID.MAPPING:
        this.#checkTag(event, '!!map');
        return this.#map(event.start, depth);
      case EVENT_ID.DOCUMENT:
      case EVENT_ID.POP:
        throw new Error(`expected a value, found event ${event.type}`);
    }
  }

  #list(start: number, depth: number): YamlNode {
    const items: YamlNode[] = [];
    this.#end = start;
    while (this.#events[this.#next]!.type !== EVENT_ID.POP) items.push(this.#value(depth + 1));
    return { kind: 'list', items, start, end: this.#close(start) };
  }

  #map(start: number, depth: number): YamlNode {
    const entries: YamlEntry[] = [];
    const seen = new Set<string>();
    this.#end = start;
    while (this.#events[this.#next]!.type !== EVENT_ID.POP) {
      const key = this.#value(depth + 1);
      if (key.kind !== 'scalar' || typeof key.value !== 'string') {
        this.#report('MV0009', 'expected a string as key', key, 'quote the key');
        this.#value(depth + 1);
        continue;
      }
      const value = this.#value(depth + 1);
      if (seen.has(key.value)) {
        this.#report('MV0003', 'expected each key once in a mapping', key, 'remove or rename one of them');
      }
      seen.add(key.value);
      entries.push({ key: key as YamlEntry['key'], value });
    }
    return { kind: 'map', entries, start, end: this.#close(start) };
  }

  /** Goes past the end of a collection. */
  #close(start: number): number {
    this.#next += 1;
    const closing = { '[': ']', '{': '}' }[this.#text[start]!];
    if (closing !== undefined) this.#end = Math.max(this.#end, this.#text.indexOf(closing, this.#end) + 1, start + 1);
    return this.#end;
  }

  #alias(event: AnchorRange, depth: number): YamlNode {
    const name = this.#anchorOf(event);
    const at = { start: event.anchorStart - 1, end: event.anchorEnd };
    const known = this.#anchors.get(name);
    if (!known) {
      this.#report('MV0008', `expected an anchor &${name} before this alias`, at);
      return { kind: 'scalar', value: null, ...at };
    }
    this.#nodes += known.count;
    this.#deepest = depth + known.height;
    return { kind: 'alias', target: known.node, ...at };
  }

  #scalar(event: ScalarEvent): YamlScalar {
    // Nothing is written: the key before it is the place to look at.
    if (event.valueStart < 0) return { kind: 'scalar', value: null, ...this.#before() };
    const at = this.#spanOf(event);
    const text = getScalarValue(this.#text, event);
    if (!this.#checkTag(event, '!!str') || event.style !== SCALAR_STYLE.PLAIN) {
      return { kind: 'scalar', value: text, ...at };
    }
    return { kind: 'scalar', value: this.#resolve(text, at), ...at };
  }

  /** A plain scalar in the core schema. */
  #resolve(text: string, at: Span): YamlScalar['value'] {
    for (const tag of IMPLICIT_TAGS.get(text.charAt(0)) ?? []) {
      const value: unknown = tag.resolve(text, false, tag.tagName);
      if (value === null || typeof value === 'boolean') return value;
      if (typeof value !== 'number' && typeof value !== 'bigint') continue;
      if (typeof value === 'number' && Number.isFinite(value) && Math.abs(value) <= Number.MAX_SAFE_INTEGER)
        return value;
      this.#report('MV0010', `expected a finite number of at most 2^53 - 1, found ${shorten(text)}`, at);
      return null;
    }
    return text;
  }

  /** Quotes belong to a scalar, and so does the header of a block scalar. */
  #spanOf({ style, valueStart, valueEnd }: ScalarEvent): Span {
    if (style === SCALAR_STYLE.PLAIN) return { start: valueStart, end: valueEnd };
    if (style === SCALAR_STYLE.SINGLE_QUOTED || style === SCALAR_STYLE.DOUBLE_QUOTED) {
      return { start: valueStart - 1, end: valueEnd + 1 };
    }
    const headerStart = this.#text.lastIndexOf('\n', valueStart - 2) + 1;
    const header = /[|>][-+0-9]*[ \t]*(?:#.*)?$/.exec(this.#text.slice(headerStart, valueStart - 1));
    return { start: headerStart + (header?.index ?? 0), end: valueEnd };
  }

  /** The last thing written before the value that comes now. */
  #before(): Span {
    const previous = this.#events[this.#next - 2];
    return previous && isScalar(previous) && previous.valueStart >= 0
      ? this.#spanOf(previous)
      : { start: this.#end, end: this.#end };
  }

  /** False where a tag says that the value is text. */
  #checkTag({ tagStart, tagEnd }: TagRange, allowed: string): boolean {
    if (tagStart < 0) return true;
    const tag = this.#text.slice(tagStart, tagEnd);
    if (tag === allowed || tag === '!') return false;
    this.#report('MV0001', `expected no tag, found ${shorten(tag)}`, { start: tagStart, end: tagEnd }, 'remove it');
    return false;
  }

  #anchorOf({ anchorStart, anchorEnd }: AnchorRange): string {
    return this.#text.slice(anchorStart, anchorEnd);
  }
}

const isScalar = (event: Event): event is ScalarEvent => event.type === EVENT_ID.SCALAR;

const SHOWN_CHARS_MAX = 40;

const shorten = (text: string): string => (text.length > SHOWN_CHARS_MAX ? `${text.slice(0, SHOWN_CHARS_MAX)}…` : text);
