/** The edit that mends a finding, where its rule says how and the text allows it without touching anything else. */
import type { Finding, Pointer, TextEdit } from '../diagnostics/diagnostic.ts';
import { findSpan } from './source-map.ts';
import type { YamlEntry, YamlMap, YamlNode } from './yaml-tree.ts';

export function fixOf(root: YamlNode, text: string, finding: Finding): TextEdit | undefined {
  if (finding.fix === undefined) return undefined;
  if (finding.fix === 'remove') return removal(root, text, finding.pointer);
  return { ...findSpan(root, text, finding), text: finding.fix.write };
}

/** Takes the lines of an entry of a block mapping out, if they hold nothing else, and no anchor: what is far from it may refer to it. */
function removal(root: YamlNode, text: string, pointer: Pointer): TextEdit | undefined {
  const found = entryAt(root, pointer);
  if (!found || found.map.entries.length === 1) return undefined;
  const { key, value } = found.entry;
  const start = text.lastIndexOf('\n', key.start - 1) + 1;
  if (text.slice(start, key.start).trim() !== '') return undefined;
  const last = Math.max(key.end, value.end);
  const lineEnd = text[last - 1] === '\n' ? last - 1 : text.indexOf('\n', last);
  const end = lineEnd < 0 ? text.length : lineEnd + 1;
  if (/(?:^|[\s[{,])&\S/.test(text.slice(key.start, last))) return undefined;
  return /^\s*(?:#.*)?$/.test(text.slice(last, end).trimEnd()) ? { start, end, text: '' } : undefined;
}

function entryAt(root: YamlNode, pointer: Pointer): { readonly map: YamlMap; readonly entry: YamlEntry } | undefined {
  let node: YamlNode | undefined = root;
  let found: { readonly map: YamlMap; readonly entry: YamlEntry } | undefined;
  for (const part of pointer) {
    found = undefined;
    if (node?.kind === 'map') {
      const map: YamlMap = node;
      const entry: YamlEntry | undefined = map.entries.find(({ key }) => key.value === String(part));
      if (!entry) return undefined;
      found = { map, entry };
      node = entry.value;
    } else node = node?.kind === 'list' ? node.items[Number(part)] : undefined;
  }
  return found;
}
