/**
 * A client that writes numbered records into a store: every slot of a prober is a record of its own. What the store
 * acknowledged must be found later, whatever happened in between.
 */
import type { ClientStack } from './client-stack.ts';
import type { Ask } from './prober.ts';
import { valkeyCommand } from './valkey-client.ts';

export interface RecordsOptions {
  readonly stack: ClientStack;
  readonly target: { readonly address: string; readonly port: number };
  /** Tells these records from those of other clients. */
  readonly prefix: string;
}

export interface RecordsFound {
  /** Records the store acknowledged. */
  readonly acknowledged: number;
  /** Of those, the ones the store does not have, or has with another value. */
  readonly lost: readonly string[];
}

const VALUE_BYTES = 100;
/** Records asked for at once. */
const BATCH = 256;

export class NumberedRecords {
  readonly #options: RecordsOptions;
  readonly #acknowledged: string[] = [];

  constructor(options: RecordsOptions) {
    this.#options = options;
  }

  /** A slot of the prober: one record, named by when it was written. */
  readonly ask: Ask = ({ atNs, deadlineNs }, done) => {
    const { stack, target, prefix } = this.#options;
    const key = `${prefix}:${atNs}`;
    valkeyCommand(stack, { ...target, command: ['SET', key, recordValue(key)], deadlineNs }, (result) => {
      if (!result.ok) return done({ outcome: result.outcome, servedBy: '' });
      const { reply } = result;
      const isStored = reply.type === 'simple' && reply.text === 'OK';
      if (isStored) this.#acknowledged.push(key);
      done({ outcome: isStored ? 'ok' : 'bad-status', servedBy: '' });
    });
  };

  /** Names of what was acknowledged so far. */
  get acknowledged(): readonly string[] {
    return this.#acknowledged;
  }

  /** Reads back all that was acknowledged so far; undefined when the store does not answer a reading within `limitNs`. */
  async find(limitNs: number): Promise<RecordsFound | undefined> {
    const keys = [...this.#acknowledged];
    const lost: string[] = [];
    for (let from = 0; from < keys.length; from += BATCH) {
      const batch = keys.slice(from, from + BATCH);
      const values = await this.#values(batch, this.#options.stack.clock.now() + limitNs);
      if (values === undefined) return undefined;
      lost.push(...batch.filter((key, index) => values[index] !== recordValue(key)));
    }
    return { acknowledged: keys.length, lost };
  }

  #values(keys: readonly string[], deadlineNs: number): Promise<readonly (string | undefined)[] | undefined> {
    const { stack, target } = this.#options;
    return new Promise((resolve) => {
      valkeyCommand(stack, { ...target, command: ['MGET', ...keys], deadlineNs }, (result) => {
        if (!result.ok || result.reply.type !== 'array') return resolve(undefined);
        resolve(result.reply.items.map((item) => (item.type === 'bulk' ? item.text : undefined)));
      });
    });
  }
}

/** The key, again and again. */
export const recordValue = (key: string): string =>
  key.repeat(Math.ceil(VALUE_BYTES / key.length)).slice(0, VALUE_BYTES);
