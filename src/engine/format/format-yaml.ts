/**
 * One layout for playbooks: two spaces, lists inside their key, `{ a: b }` and `[a, b]`, values as they were quoted, LF,
 * one line break at the end. Comments and blank lines stay. What it returns it returns again when given it.
 */
import { isDeepStrictEqual } from 'node:util';
import { isCollection, isMap, Lexer, type Node, parseDocument, type ToStringOptions, visit } from 'yaml';
import { readYaml } from '../parse/read-yaml.ts';
import { toData } from '../parse/yaml-tree.ts';

const LAYOUT: ToStringOptions = { indent: 2, indentSeq: true, lineWidth: 0, singleQuote: null, trailingComma: true };
/** A layout that depends on where a comment stood may need a second pass to settle. */
const PASSES_MAX = 4;

export type Formatted =
  | { readonly ok: true; readonly text: string }
  /** The file has mistakes, which validate tells, or no layout keeps what it says. */
  | { readonly ok: false; readonly problem: string };

const UNKNOWN: Formatted = { ok: false, problem: 'no layout keeps every value and comment of this file' };

export function formatYaml(original: string): Formatted {
  const text = original.replace(/^\ufeff/, '').replace(/\r\n?/g, '\n');
  const before = readYaml(text);
  if (!before.ok) return { ok: false, problem: before.problems[0]?.message ?? 'it cannot be read' };
  let formatted = text;
  for (let pass = 0; pass < PASSES_MAX; pass++) {
    const next = layOut(formatted);
    if (next === undefined) return UNKNOWN;
    if (next === formatted) break;
    formatted = next;
  }
  const after = readYaml(formatted);
  const isSame = after.ok && isDeepStrictEqual(toData(after.root), toData(before.root));
  const keepsComments = isDeepStrictEqual(commentsOf(formatted), commentsOf(text));
  if (!isSame || !keepsComments || layOut(formatted) !== formatted) {
    return UNKNOWN;
  }
  return { ok: true, text: formatted };
}

/** A flow collection that is longer than a line gets a line an entry. */
const FLOW_WIDTH = 120;

interface LayoutContext {
  readonly flowCollectionPadding: string;
  readonly options: ToStringOptions;
}

/** undefined where the two readers of YAML do not agree that this is some. */
function layOut(text: string): string | undefined {
  const document = parseDocument(text);
  if (document.errors.length > 0) return undefined;
  visit(document, {
    Collection(_, node) {
      // The package pads both kinds of flow collections or none.
      const flow = node as Node & { flow?: boolean; toString(context?: LayoutContext, ...rest: unknown[]): string };
      if (!isCollection(node) || !flow.flow) return;
      const own = flow.toString.bind(flow);
      const flowCollectionPadding = isMap(node) ? ' ' : '';
      flow.toString = (context: LayoutContext | undefined, ...rest: unknown[]) =>
        own(
          context && { ...context, flowCollectionPadding, options: { ...context.options, lineWidth: FLOW_WIDTH } },
          ...rest,
        );
    },
  });
  return document.toString(LAYOUT);
}

const commentsOf = (text: string): readonly string[] =>
  [...new Lexer().lex(text)].filter((token) => token.startsWith('#')).map((token) => token.trimEnd());
