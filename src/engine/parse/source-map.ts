/** From a pointer into the data to the place in the file. */
import type { Finding, Place, Pointer } from '../diagnostics/diagnostic.ts';
import type { YamlNode } from './yaml-tree.ts';

/** Offsets to lines and columns. */
export class LineMap {
  readonly #starts: number[] = [0];

  constructor(text: string) {
    for (let at = text.indexOf('\n'); at >= 0; at = text.indexOf('\n', at + 1)) this.#starts.push(at + 1);
  }

  place(start: number, end: number): Place {
    const from = this.#position(start);
    const to = this.#position(Math.max(start, end));
    return { line: from.line, col: from.col, endLine: to.line, endCol: to.col };
  }

  #position(offset: number): { readonly line: number; readonly col: number } {
    let low = 0;
    let high = this.#starts.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (this.#starts[middle]! <= offset) low = middle;
      else high = middle - 1;
    }
    return { line: low + 1, col: offset - this.#starts[low]! + 1 };
  }
}

/** The place of a finding, or of the nearest part of its pointer that is written in the file. */
export function findSpan(root: YamlNode, text: string, finding: Finding): { start: number; end: number } {
  const found = resolve(root, finding.pointer);
  const node = finding.at === 'key' && found.key ? found.key : found.value;
  let { start, end } = node;
  if (finding.within && found.isExact) {
    const inside = text.slice(start, end).indexOf(finding.within.text);
    if (inside >= 0) {
      end = start + inside + finding.within.end;
      start += inside + finding.within.start;
    }
  } else if (node.kind === 'map' || node.kind === 'list') {
    // A whole mapping or list is no place to look at: its first line is.
    const lineEnd = text.indexOf('\n', start);
    if (lineEnd >= 0 && lineEnd < end) end = lineEnd;
  }
  return { start, end };
}

function resolve(
  root: YamlNode,
  pointer: Pointer,
): { readonly key: YamlNode | undefined; readonly value: YamlNode; readonly isExact: boolean } {
  let value = root;
  let key: YamlNode | undefined;
  for (const part of pointer) {
    const container = value.kind === 'alias' ? value.target : value;
    if (container.kind === 'map') {
      const entry = container.entries.find((candidate) => candidate.key.value === String(part));
      if (!entry) return { key, value, isExact: false };
      key = entry.key;
      value = entry.value;
    } else {
      const item = container.kind === 'list' ? container.items[Number(part)] : undefined;
      if (!item) return { key, value, isExact: false };
      key = undefined;
      value = item;
    }
  }
  return { key, value, isExact: true };
}
