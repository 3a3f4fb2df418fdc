/** What a YAML file says, with the place of everything in it: what the reader makes and the source map looks up. */

/** Offsets into the text, in UTF-16 code units; `end` is behind the last one. */
export interface Span {
  readonly start: number;
  readonly end: number;
}

export interface YamlScalar extends Span {
  readonly kind: 'scalar';
  readonly value: string | number | boolean | null;
}

export interface YamlList extends Span {
  readonly kind: 'list';
  readonly items: readonly YamlNode[];
}

export interface YamlMap extends Span {
  readonly kind: 'map';
  readonly entries: readonly YamlEntry[];
}

export interface YamlEntry {
  readonly key: YamlScalar & { readonly value: string };
  readonly value: YamlNode;
}

/** Stands where the alias is written; what it means is written elsewhere. */
interface YamlAlias extends Span {
  readonly kind: 'alias';
  readonly target: YamlNode;
}

export type YamlNode = YamlScalar | YamlList | YamlMap | YamlAlias;

/** Plain data. Mappings get no prototype surprises: every key, `__proto__` too, becomes an own property. */
export function toData(node: YamlNode): unknown {
  switch (node.kind) {
    case 'scalar':
      return node.value;
    case 'alias':
      return toData(node.target);
    case 'list':
      return node.items.map(toData);
    case 'map':
      return toObject(node.entries);
  }
}

function toObject(entries: readonly YamlEntry[]): Record<string, unknown> {
  const object: Record<string, unknown> = {};
  for (const { key, value } of entries) {
    if (key.value === '__proto__') {
      Object.defineProperty(object, key.value, {
        value: toData(value),
        enumerable: true,
        configurable: true,
        writable: true,
      });
    } else object[key.value] = toData(value);
  }
  return object;
}
