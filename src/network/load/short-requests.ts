/** Requests on connections of their own at random instants (open loop): the next one never waits for an answer. */
import type { ClientStack } from '../client-stack.ts';
import { NS_PER_S } from '../clock.ts';
import { httpGet } from '../http-client.ts';
import { type Expectation, outcomeOf } from '../outcome.ts';
import type { LoadLog } from './load-log.ts';

export interface ShortRequestsOptions {
  readonly stack: ClientStack;
  readonly log: LoadLog;
  readonly target: { readonly address: string; readonly port: number; readonly path: string };
  readonly expect: Expectation;
  readonly deadlineNs: number;
  /** On average. */
  readonly requestsPerSecond: number;
  /** Uniform in [0, 1). */
  readonly random: () => number;
}

/** Gaps are exponential, cut off where one in ten thousand would be longer. */
const GAP_MEANS_MAX = 9;

export class ShortRequests {
  readonly #options: ShortRequestsOptions;
  #cancel: (() => void) | undefined;

  constructor(options: ShortRequestsOptions) {
    this.#options = options;
  }

  start(): void {
    const { stack, requestsPerSecond, random } = this.#options;
    const meanNs = NS_PER_S / requestsPerSecond;
    const gapNs = Math.ceil(meanNs * Math.min(GAP_MEANS_MAX, -Math.log(1 - random())));
    const atNs = stack.clock.now() + gapNs;
    this.#cancel = stack.clock.at(atNs, () => {
      this.start();
      this.#request(atNs);
    });
  }

  stop(): void {
    this.#cancel?.();
  }

  #request(atNs: number): void {
    const { stack, log, target, expect, deadlineNs } = this.#options;
    httpGet(stack, { ...target, deadlineNs: atNs + deadlineNs }, (result) => {
      log.append({ kind: 'short', atNs, outcome: outcomeOf(result, expect), latencyNs: stack.clock.now() - atNs });
    });
  }
}
