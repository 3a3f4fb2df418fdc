import { SIDES, type Side } from '../machine/index.ts';
import { Refusal, type RefusalCode } from './refusal.ts';

type JsonObject = { readonly [key: string]: unknown };

export const isObject = (value: unknown): value is JsonObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const isBits = (value: unknown): boolean => typeof value === 'string' && /^0x[0-9a-f]{1,16}$/.test(value);

/** Typed access to the fields of a JSON object. `code`: what a field that is not as expected is refused with. */
export class Fields {
  readonly #object: JsonObject;
  readonly #code: RefusalCode;

  constructor(value: unknown, code: RefusalCode = 'bad-request') {
    this.#code = code;
    if (!isObject(value)) throw new Refusal(code, `expected an object, found ${JSON.stringify(value)}`);
    this.#object = value;
  }

  has(name: string): boolean {
    return this.#object[name] !== undefined;
  }

  text(name: string): string {
    return this.#expect(name, 'a text', (value) => typeof value === 'string');
  }

  integer(name: string): number {
    return this.#expect(name, 'an integer', (value) => Number.isSafeInteger(value));
  }

  /** A time in ticks; null stands for never. */
  ticks(name: string): number {
    return this.#object[name] === null ? Number.POSITIVE_INFINITY : this.integer(name);
  }

  /** An unsigned number of 64 bits, as `0x1f`. */
  bits(name: string): bigint {
    return BigInt(this.#expect<string>(name, 'a hexadecimal number', isBits));
  }

  bitsList(name: string): readonly bigint[] {
    const all = this.#expect<readonly string[]>(name, 'hexadecimal numbers', (value) =>
      Array.isArray(value) ? value.every(isBits) : false,
    );
    return all.map(BigInt);
  }

  /** One of a few words. */
  word<Word extends string>(name: string, words: readonly Word[]): Word {
    return this.#expect(name, `one of ${words.join(', ')}`, (value) => words.some((word) => word === value));
  }

  /** What `read` makes of it; null stays null. */
  optional<T>(name: string, read: (value: unknown) => T): T | null {
    const value = this.#object[name];
    return value === null ? null : read(value);
  }

  boolean(name: string): boolean {
    return this.#expect(name, 'true or false', (value) => typeof value === 'boolean');
  }

  object(name: string): JsonObject {
    return this.#expect(name, 'an object', isObject);
  }

  side(name: string): Side {
    return this.#expect(name, "'A' or 'B'", (value) => SIDES.some((side) => side === value));
  }

  owner(name: string): Side | null {
    return this.#object[name] === null ? null : this.side(name);
  }

  list<T>(name: string, item: (value: unknown) => T): readonly T[] {
    return this.#expect<readonly unknown[]>(name, 'a list', Array.isArray).map(item);
  }

  #expect<T>(name: string, what: string, accepts: (value: unknown) => boolean): T {
    const value = this.#object[name];
    if (!accepts(value)) {
      throw new Refusal(this.#code, `'${name}' is ${what}, not ${JSON.stringify(value)}`);
    }
    return value as T;
  }
}
