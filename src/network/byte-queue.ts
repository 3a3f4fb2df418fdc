/** Bytes in order, taken from the front, readable anywhere: what a sender keeps until it is acknowledged. */
export class ByteQueue {
  #chunks: Uint8Array[] = [];
  /** Bytes of the first chunk that are gone already. */
  #skipped = 0;
  #bytes = 0;

  get bytes(): number {
    return this.#bytes;
  }

  /** Keeps a copy of `bytes`. */
  push(bytes: Uint8Array): void {
    if (bytes.length === 0) return;
    this.#chunks.push(bytes.slice());
    this.#bytes += bytes.length;
  }

  drop(bytes: number): void {
    this.#bytes -= bytes;
    this.#skipped += bytes;
    let gone = 0;
    for (const chunk of this.#chunks) {
      if (chunk.length > this.#skipped) break;
      this.#skipped -= chunk.length;
      gone++;
    }
    if (gone > 0) this.#chunks.splice(0, gone);
  }

  /** A copy of `bytes` bytes from `offset`, which must be inside. */
  slice(offset: number, bytes: number): Uint8Array {
    const result = new Uint8Array(bytes);
    let filled = 0;
    let skip = offset + this.#skipped;
    for (const chunk of this.#chunks) {
      if (filled === bytes) break;
      if (skip >= chunk.length) {
        skip -= chunk.length;
        continue;
      }
      const part = chunk.subarray(skip, skip + bytes - filled);
      result.set(part, filled);
      filled += part.length;
      skip = 0;
    }
    if (filled !== bytes) throw new RangeError(`${bytes} bytes at ${offset} of a queue of ${this.#bytes}`);
    return result;
  }
}
