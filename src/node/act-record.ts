/**
 * What the node remembers of acts by key, so that an act is done once whoever asks twice, and so that a driver that
 * comes back learns what became of it. Kept in a file beside the disks: after a loss of power an act of an earlier boot
 * is `lost`, because what it did to memory, guests and the Microvisor is gone.
 */
import { appendFileSync, existsSync, readFileSync } from 'node:fs';
import type { ActOutcome, ProbeAnswer } from '../engine/port.ts';

interface ActLine {
  readonly key: string;
  readonly bootId: string;
  /** How it ended. What it said is not kept: a secret may be in it. */
  readonly ok?: boolean;
}

export class ActRecord {
  readonly #path: string;
  readonly #bootId: string;
  readonly #earlier = new Map<string, string>();
  readonly #running = new Map<string, Promise<ActOutcome>>();
  readonly #done = new Map<string, ActOutcome>();

  constructor(path: string, bootId: string) {
    this.#path = path;
    this.#bootId = bootId;
    if (existsSync(path)) {
      for (const line of readFileSync(path, 'utf8').split('\n')) {
        const act = parseLine(line);
        if (act !== undefined && act.bootId !== bootId) this.#earlier.set(act.key, act.bootId);
      }
    }
  }

  /** Runs `work` unless the key has been done or is being done. */
  once(key: string, work: () => Promise<ActOutcome>): Promise<ActOutcome> {
    const done = this.#done.get(key);
    if (done !== undefined) return Promise.resolve(done);
    const running = this.#running.get(key);
    if (running !== undefined) return running;
    this.#append({ key, bootId: this.#bootId });
    const promise = work().then((outcome) => {
      this.#running.delete(key);
      this.#done.set(key, outcome);
      this.#append({ key, bootId: this.#bootId, ok: outcome.ok });
      return outcome;
    });
    this.#running.set(key, promise);
    return promise;
  }

  probe(key: string): ProbeAnswer {
    const outcome = this.#done.get(key);
    if (outcome !== undefined) return { state: 'done', outcome };
    if (this.#running.has(key)) return { state: 'running' };
    if (this.#earlier.has(key)) return { state: 'lost', bootId: this.#bootId };
    return { state: 'never-started' };
  }

  #append(line: ActLine): void {
    appendFileSync(this.#path, `${JSON.stringify(line)}\n`);
  }
}

/** A torn last line is what a loss of power leaves; it says nothing that can be relied on. */
function parseLine(line: string): ActLine | undefined {
  try {
    const value: unknown = JSON.parse(line);
    if (typeof value === 'object' && value !== null && 'key' in value && 'bootId' in value) return value as ActLine;
  } catch {
    return undefined;
  }
  return undefined;
}
