/**
 * Mailbox between the service processor, which is outside the machine, and M-mode software. One request at a time is
 * presented; it stays until its response is complete.
 */
import type { Snapshotted, SnapshotValue } from '../door.ts';
import { SnapshotPart } from '../snapshot-part.ts';

const WORD_BYTES = 4;
/** A response never has more bytes than this; words beyond are dropped. */
const RESPONSE_BYTES_MAX = 0x10_0000;

const VERSION = 1;

interface Request {
  readonly bytes: Uint8Array;
  readonly onResponse: (response: Uint8Array) => void;
}

export class Mailbox implements Snapshotted {
  #requests: Request[] = [];
  #taken = 0;
  #response: number[] = [];

  /** Presents the first request again from its first byte. */
  reset(): void {
    this.#taken = 0;
    this.#response = [];
  }

  get isPending(): boolean {
    return this.#requests.length > 0;
  }

  post(bytes: Uint8Array, onResponse: (response: Uint8Array) => void): void {
    this.#requests.push({ bytes: bytes.slice(), onResponse });
  }

  /** Bytes of the request that were not taken yet. */
  get waitingBytes(): number {
    const request = this.#requests[0];
    return request === undefined ? 0 : Math.max(0, request.bytes.length - this.#taken);
  }

  /** The next word, little endian; bytes after the end of the request are 0. */
  take(): number {
    let word = 0;
    for (let byte = 0; byte < WORD_BYTES; byte++) {
      word |= (this.#requests[0]?.bytes[this.#taken + byte] ?? 0) << (8 * byte);
    }
    this.#taken += WORD_BYTES;
    return word >>> 0;
  }

  respond(word: number): void {
    if (this.#response.length + WORD_BYTES > RESPONSE_BYTES_MAX) return;
    for (let byte = 0; byte < WORD_BYTES; byte++) this.#response.push((word >>> (8 * byte)) & 0xff);
  }

  /** Ends the request with the first `bytes` bytes of the response; gives what tells the service processor. */
  done(bytes: number): (() => void) | undefined {
    const request = this.#requests.shift();
    const response = Uint8Array.from(this.#response.slice(0, bytes));
    this.reset();
    return request === undefined ? undefined : () => request.onResponse(response);
  }

  save(): SnapshotValue {
    return {
      version: VERSION,
      requests: this.#requests.map((request) => request.bytes.slice()),
      taken: this.#taken,
      response: Uint8Array.from(this.#response),
    };
  }

  /** Whoever posted the requests of the snapshot is gone: their responses go nowhere. */
  restore(state: SnapshotValue): void {
    const part = new SnapshotPart('mailbox', state, VERSION);
    this.#requests = part.list('requests').map((bytes) => ({ bytes: bytes as Uint8Array, onResponse: () => {} }));
    this.#taken = part.number('taken');
    this.#response = [...part.bytes('response')];
  }
}
