/** The node's own client: a computer on the node's network that asks for the service as a customer would. */
import type { ServiceMeasurement, ServiceSpec } from '../engine/port.ts';
import {
  ClientStack,
  type EthernetSwitch,
  type HttpResult,
  httpGet,
  measureProbe,
  type NetworkClock,
  NS_PER_MS,
  type ProbeLog,
  Prober,
  type ProbeSeries,
  probeSeries,
} from '../network/index.ts';
import { NETWORK } from './guest.ts';

const NOTHING_MEASURED: ServiceMeasurement = {
  requests: 0,
  failed: 0,
  downtimeMs: 0,
  longestGapMs: 0,
  resolutionMs: 0,
  latencyMs: null,
};

export class ServiceProbe {
  readonly stack: ClientStack;
  readonly #seed: number;
  #prober: Prober | undefined;
  #log: ProbeLog | undefined;
  #deadlineNs = 0;

  constructor(clock: NetworkClock, ethernet: EthernetSwitch, seed: number) {
    this.#seed = seed;
    this.stack = new ClientStack({ clock, mac: NETWORK.mac.client, address: NETWORK.client, seed });
    ethernet.attach(this.stack);
  }

  start(service: ServiceSpec): void {
    this.#prober?.stop();
    this.#deadlineNs = service.deadlineMs * NS_PER_MS;
    this.#prober = new Prober({
      stack: this.stack,
      target: {
        address: NETWORK.service,
        port: service.port,
        path: service.path,
        status: service.expectStatus,
        body: (body) => new TextDecoder().decode(body).includes(service.expectContains),
      },
      intervalNs: service.intervalMs * NS_PER_MS,
      deadlineNs: this.#deadlineNs,
      seed: this.#seed,
    });
    this.#log = this.#prober.log;
    this.#prober.start();
  }

  /** Begins no further request. `settledAtNs`: when the last one open has its answer or its deadline. */
  stop(): { readonly settledAtNs: number } {
    this.#prober?.stop();
    return { settledAtNs: this.stack.clock.now() + this.#deadlineNs };
  }

  measure(fromNs: number, toNs: number): ServiceMeasurement {
    return this.#log === undefined ? NOTHING_MEASURED : measureProbe(this.#log, fromNs, toNs);
  }

  /** Null: the service was never asked. */
  series(fromNs: number, toNs: number): ProbeSeries | null {
    return this.#log === undefined ? null : probeSeries(this.#log, fromNs, toNs);
  }

  /** One request beside the schedule. */
  get(
    request: { address: string; port: number; path: string; deadlineMs: number },
    done: (result: HttpResult) => void,
  ): void {
    httpGet(this.stack, { ...request, deadlineNs: this.stack.clock.now() + request.deadlineMs * NS_PER_MS }, done);
  }
}
