/** A log file that a guest can fill as fast as it likes: beside the last of it there is one older file, and no more. */
import { appendFileSync, renameSync, statSync } from 'node:fs';

const BYTES_MAX = 16 * 1024 * 1024;

export class BoundedLog {
  readonly #path: string;
  readonly #bytesMax: number;
  #bytes: number;

  constructor(path: string, bytesMax = BYTES_MAX) {
    this.#path = path;
    this.#bytesMax = bytesMax;
    this.#bytes = statSync(path, { throwIfNoEntry: false })?.size ?? 0;
  }

  /** Where there is no room, the log has a gap: that is no reason to lose the node. */
  append(what: string | Uint8Array): void {
    try {
      if (this.#bytes >= this.#bytesMax) {
        renameSync(this.#path, `${this.#path}.1`);
        this.#bytes = 0;
      }
      appendFileSync(this.#path, what);
      this.#bytes += what.length;
    } catch {
      // Told nowhere: what is told goes to the same disk.
    }
  }
}
