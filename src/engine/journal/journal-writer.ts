/**
 * Appends records to a journal. `append` resolves when the record is on disk; records that come while a write is under way
 * share the next one (group commit). After an error nothing more is written.
 */
import { type FileHandle, open } from 'node:fs/promises';
import { dirname } from 'node:path';
import { JournalError } from './journal-error.ts';
import { encodeRecord, type NewRecord } from './record-line.ts';
import { syncDirectory } from './write-safely.ts';

interface Waiting {
  readonly line: string;
  resolve(): void;
  reject(error: JournalError): void;
}

export class JournalWriter {
  readonly #path: string;
  readonly #file: FileHandle;
  #seq: number;
  #queue: Waiting[] = [];
  #flushing: Promise<void> | undefined;
  #broken: JournalError | undefined;

  private constructor(path: string, file: FileHandle, seq: number) {
    this.#path = path;
    this.#file = file;
    this.#seq = seq;
  }

  /** `seq` is the number of the last record in the file; 0 creates it, which must not exist. */
  static async open(path: string, seq: number): Promise<JournalWriter> {
    try {
      const file = await open(path, seq === 0 ? 'ax' : 'a', 0o600);
      if (seq === 0) syncDirectory(dirname(path));
      return new JournalWriter(path, file, seq);
    } catch (error) {
      throw new JournalError(`cannot open ${path}: ${(error as Error).message}`, { cause: error });
    }
  }

  append(record: NewRecord): Promise<void> {
    if (this.#broken) return Promise.reject(this.#broken);
    this.#seq += 1;
    const line = encodeRecord(this.#seq, record);
    const written = new Promise<void>((resolve, reject) => {
      this.#queue.push({ line, resolve, reject });
    });
    this.#flushing ??= this.#flush();
    return written;
  }

  async close(): Promise<void> {
    await this.#flushing;
    await this.#file.close();
  }

  async #flush(): Promise<void> {
    while (this.#queue.length > 0 && !this.#broken) {
      const batch = this.#queue;
      this.#queue = [];
      try {
        await this.#file.appendFile(batch.map(({ line }) => line).join(''));
        await this.#file.datasync();
        for (const { resolve } of batch) resolve();
      } catch (error) {
        this.#broken = new JournalError(`cannot write ${this.#path}: ${(error as Error).message}`, { cause: error });
        for (const { reject } of [...batch, ...this.#queue]) reject(this.#broken);
      }
    }
    this.#flushing = undefined;
  }
}
