/**
 * `${{ }}` in a string. A string that is one expression and nothing else keeps the expression's type; text with
 * expressions in it is a string. The end is found past braces and quotes, because CEL has both.
 */

export interface Expression {
  readonly source: string;
  /** Offset of `source` in the string it stands in. */
  readonly start: number;
}

export interface Template {
  readonly parts: readonly (string | Expression)[];
}

export interface UnclosedExpression {
  readonly unclosedAt: number;
}

const OPEN = '${{';

export const hasExpression = (text: string): boolean => text.includes(OPEN);

export function parseTemplate(text: string): Template | UnclosedExpression {
  const parts: (string | Expression)[] = [];
  let from = 0;
  for (;;) {
    const open = text.indexOf(OPEN, from);
    if (open < 0) break;
    const close = findClose(text, open + OPEN.length);
    if (close < 0) return { unclosedAt: open };
    if (open > from) parts.push(text.slice(from, open));
    const inner = text.slice(open + OPEN.length, close);
    const lead = inner.length - inner.trimStart().length;
    parts.push({ source: inner.trim(), start: open + OPEN.length + lead });
    from = close + 2;
  }
  if (from < text.length || parts.length === 0) parts.push(text.slice(from));
  return { parts };
}

/** The only expression of a string that is nothing else, or undefined. */
export function wholeExpression({ parts }: Template): Expression | undefined {
  const [only] = parts;
  return parts.length === 1 && typeof only === 'object' ? only : undefined;
}

export const expressionsOf = ({ parts }: Template): readonly Expression[] =>
  parts.filter((part): part is Expression => typeof part === 'object');

/** Offset of the `}}` that ends the expression starting at `from`, or -1. */
function findClose(text: string, from: number): number {
  let depth = 0;
  for (let i = from; i < text.length; i++) {
    const char = text[i]!;
    if (char === '"' || char === "'") {
      i = skipQuoted(text, i);
      if (i < 0) return -1;
    } else if (char === '{') depth += 1;
    else if (char === '}') {
      if (depth > 0) depth -= 1;
      else if (text[i + 1] === '}') return i;
    }
  }
  return -1;
}

/** Offset of the quote that closes the one at `open`, or -1. Triple quotes pass as an empty string and a quoted one. */
function skipQuoted(text: string, open: number): number {
  for (let i = open + 1; i < text.length; i++) {
    if (text[i] === '\\') i += 1;
    else if (text[i] === text[open]) return i;
  }
  return -1;
}
