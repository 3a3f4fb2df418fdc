/** The clients of a busy service: short requests, connections that stay open, long downloads. All random choices are the caller's. */
import type { ClientStack } from '../client-stack.ts';
import type { Expectation } from '../outcome.ts';
import { DownloadClient } from './download-client.ts';
import { KeepAliveClient } from './keep-alive-client.ts';
import { LoadLog } from './load-log.ts';
import { ShortRequests } from './short-requests.ts';

export interface LoadOptions {
  readonly stack: ClientStack;
  readonly target: { readonly address: string; readonly port: number; readonly path: string };
  readonly expect: Expectation;
  /** Of a short or keep-alive request. */
  readonly deadlineNs: number;
  /** Short requests, on average; 0 for none. */
  readonly requestsPerSecond: number;
  readonly keepAlive: { readonly connections: number; readonly intervalNs: number };
  readonly downloads: {
    readonly connections: number;
    readonly path: string;
    readonly bytesPerSecond: number;
    readonly expect: Expectation;
  };
  /** Uniform in [0, 1). */
  readonly random: () => number;
}

interface Client {
  start(): void;
  stop(): void;
}

export class Load {
  readonly log = new LoadLog();
  readonly #clients: readonly Client[];

  constructor({ requestsPerSecond, keepAlive, downloads, ...options }: LoadOptions) {
    const common = { ...options, log: this.log };
    const target = { ...options.target, path: downloads.path };
    const times = (count: number, make: () => Client): Client[] => Array.from({ length: count }, make);
    this.#clients = [
      ...times(requestsPerSecond > 0 ? 1 : 0, () => new ShortRequests({ ...common, requestsPerSecond })),
      ...times(keepAlive.connections, () => new KeepAliveClient({ ...common, intervalNs: keepAlive.intervalNs })),
      ...times(downloads.connections, () => {
        const { bytesPerSecond, expect } = downloads;
        return new DownloadClient({ ...common, target, expect, bytesPerSecond });
      }),
    ];
  }

  start(): void {
    for (const client of this.#clients) client.start();
  }

  /** Begins no further request; short and keep-alive ones that are open still get their records. */
  stop(): void {
    for (const client of this.#clients) client.stop();
  }
}
