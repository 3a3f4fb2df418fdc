/**
 * Reading parts of a snapshot back. A part is a record with a `version`; a part of another version, or a field of
 * another type, is refused with what was expected and what was found.
 */
import type { SnapshotValue } from './door.ts';

export type SnapshotRecord = { readonly [key: string]: SnapshotValue };

export class SnapshotError extends Error {
  override readonly name = 'SnapshotError';
}

const describe = (value: SnapshotValue | undefined): string => {
  if (value === undefined) return 'nothing';
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'a list';
  return value instanceof Uint8Array ? 'bytes' : typeof value;
};

/** One part of a snapshot, read field by field. */
export class SnapshotPart {
  readonly #name: string;
  readonly #fields: SnapshotRecord;

  /** Throws `SnapshotError` unless `state` is a record (of `version`, when one is given). */
  constructor(name: string, state: SnapshotValue | undefined, version?: number) {
    const isRecord = typeof state === 'object' && state !== null && !Array.isArray(state) && !ArrayBuffer.isView(state);
    if (!isRecord) throw new SnapshotError(`${name}: expected a record, found ${describe(state)}`);
    this.#name = name;
    this.#fields = state as SnapshotRecord;
    if (version !== undefined && this.#fields['version'] !== version) {
      throw new SnapshotError(`${name}: expected version ${version}, found ${String(this.#fields['version'])}`);
    }
  }

  /** Throws: the field is not what is expected here. */
  refuse(field: string, expected: string): never {
    throw new SnapshotError(`${this.#name}.${field}: expected ${expected}, found ${describe(this.#fields[field])}`);
  }

  value(field: string): SnapshotValue {
    const value = this.#fields[field];
    return value === undefined ? this.refuse(field, 'a value') : value;
  }

  number(field: string): number {
    const value = this.#fields[field];
    return typeof value === 'number' ? value : this.refuse(field, 'a number');
  }

  bigint(field: string): bigint {
    const value = this.#fields[field];
    return typeof value === 'bigint' ? value : this.refuse(field, 'a bigint');
  }

  boolean(field: string): boolean {
    const value = this.#fields[field];
    return typeof value === 'boolean' ? value : this.refuse(field, 'a boolean');
  }

  string(field: string): string {
    const value = this.#fields[field];
    return typeof value === 'string' ? value : this.refuse(field, 'a string');
  }

  /** A copy of its own. */
  bytes(field: string): Uint8Array {
    const value = this.#fields[field];
    return value instanceof Uint8Array ? value.slice() : this.refuse(field, 'bytes');
  }

  list(field: string, length?: number): readonly SnapshotValue[] {
    const value = this.#fields[field];
    if (!Array.isArray(value)) return this.refuse(field, 'a list');
    if (length !== undefined && value.length !== length) return this.refuse(field, `a list of ${length}`);
    return value;
  }

  numbers(field: string, length?: number): number[] {
    return this.list(field, length).map((item) =>
      typeof item === 'number' ? item : this.refuse(field, 'a list of numbers'),
    );
  }

  parts(field: string, length?: number): SnapshotPart[] {
    return this.list(field, length).map((item, index) => new SnapshotPart(`${this.#name}.${field}[${index}]`, item));
  }
}
