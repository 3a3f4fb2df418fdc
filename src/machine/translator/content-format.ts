/** Numbers, texts and byte strings one after the other, as `KnownCode` is kept. Little endian, lengths in front. */

const NUMBER_BYTES = 8;
const CHUNK_BYTES_MIN = 0x10_0000;
/** Characters that are turned into a string at once. */
const CHARACTERS_AT_ONCE = 8192;

export class ContentWriter {
  #bytes = new Uint8Array(CHUNK_BYTES_MIN);
  #view = new DataView(this.#bytes.buffer);
  #length = 0;

  number(value: number): void {
    this.#reserve(NUMBER_BYTES);
    this.#view.setFloat64(this.#length, value, true);
    this.#length += NUMBER_BYTES;
  }

  bytes(value: Uint8Array): void {
    this.number(value.length);
    this.#reserve(value.length);
    this.#bytes.set(value, this.#length);
    this.#length += value.length;
  }

  /** UTF-16 code units. */
  text(value: string): void {
    this.number(value.length);
    this.#reserve(value.length * 2);
    for (let i = 0; i < value.length; i++) this.#view.setUint16(this.#length + i * 2, value.charCodeAt(i), true);
    this.#length += value.length * 2;
  }

  toBytes(): Uint8Array {
    return this.#bytes.subarray(0, this.#length);
  }

  #reserve(more: number): void {
    if (this.#length + more <= this.#bytes.length) return;
    const grown = new Uint8Array(Math.max(this.#bytes.length * 2, this.#length + more));
    grown.set(this.#bytes);
    this.#bytes = grown;
    this.#view = new DataView(grown.buffer);
  }
}

/** Every method throws a RangeError where the bytes do not hold what is asked for. */
export class ContentReader {
  readonly #bytes: Uint8Array<ArrayBuffer>;
  readonly #view: DataView;
  #at = 0;

  constructor(bytes: Uint8Array<ArrayBuffer>) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  }

  number(): number {
    const value = this.#view.getFloat64(this.#at, true);
    this.#at += NUMBER_BYTES;
    return value;
  }

  /** A part of what is read from; `expected` bytes when that is told. */
  bytes(expected?: number): Uint8Array<ArrayBuffer> {
    const length = this.#lengthOf(1);
    if (expected !== undefined && length !== expected)
      throw new RangeError(`expected ${expected} bytes, found ${length}`);
    const value = this.#bytes.subarray(this.#at, this.#at + length);
    this.#at += length;
    return value;
  }

  text(): string {
    const length = this.#lengthOf(2);
    let text = '';
    for (let from = 0; from < length; from += CHARACTERS_AT_ONCE) {
      const units = new Uint16Array(Math.min(CHARACTERS_AT_ONCE, length - from));
      for (let i = 0; i < units.length; i++) units[i] = this.#view.getUint16(this.#at + (from + i) * 2, true);
      text += String.fromCharCode(...units);
    }
    this.#at += length * 2;
    return text;
  }

  #lengthOf(unitBytes: number): number {
    const length = this.number();
    const left = this.#bytes.length - this.#at;
    if (!Number.isInteger(length) || length < 0 || length * unitBytes > left) {
      throw new RangeError(`expected a length that fits ${left} bytes, found ${length}`);
    }
    return length;
  }
}
