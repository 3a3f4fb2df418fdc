/** From a pointer into the data to the place in the file. */
import { type Document, isAlias, isMap, isScalar, isSeq, type Node } from 'yaml';
import type { Finding, Place, Pointer } from '../diagnostics/diagnostic.ts';

export interface SourceMap {
  readonly document: Document.Parsed;
  readonly text: string;
  place(start: number, end: number): Place;
}

/** The place of a finding, or of the nearest part of its pointer that is written in the file. */
export function findPlace(map: SourceMap, finding: Finding): Place {
  const found = resolve(map, finding.pointer);
  const node = finding.at === 'key' && found.key ? found.key : (found.value ?? found.key);
  if (!node?.range) return map.place(0, 1);
  let [start, end] = [node.range[0], node.range[1]];
  if (finding.within && found.exact) {
    const inside = map.text.slice(start, end).indexOf(finding.within.text);
    if (inside >= 0) {
      end = start + inside + finding.within.end;
      start += inside + finding.within.start;
    }
  } else if (!isScalar(node)) {
    // A whole mapping or list is no place to look at: its first line is.
    const lineEnd = map.text.indexOf('\n', start);
    if (lineEnd >= 0 && lineEnd < end) end = lineEnd;
  }
  return map.place(start, end);
}

function resolve(map: SourceMap, pointer: Pointer): { key: Node | undefined; value: Node | undefined; exact: boolean } {
  let value = (map.document.contents ?? undefined) as Node | undefined;
  let key: Node | undefined;
  for (const part of pointer) {
    let container = value;
    if (isAlias(container)) container = container.resolve(map.document) as Node | undefined;
    let next: { key: Node | undefined; value: Node | undefined } | undefined;
    if (isMap(container)) {
      const pair = container.items.find((item) => isScalar(item.key) && item.key.value === String(part));
      if (pair) next = { key: pair.key as Node, value: (pair.value ?? undefined) as Node | undefined };
    } else if (isSeq(container)) {
      const item = container.items[Number(part)] as Node | undefined;
      if (item) next = { key: undefined, value: item };
    }
    if (!next) return { key, value, exact: false };
    key = next.key;
    value = next.value;
  }
  return { key, value, exact: true };
}
