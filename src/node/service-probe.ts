/** The node's own clients: computers on the node's network that ask for the service as customers would. */
import { Buffer } from 'node:buffer';
import { createHash } from 'node:crypto';
import type { LoadSpec, ServiceMeasurement, ServiceSpec } from '../engine/port.ts';
import {
  askHttp,
  ClientStack,
  type EthernetSwitch,
  type HttpResult,
  httpGet,
  Load,
  measureProbe,
  type NetworkClock,
  NS_PER_MS,
  NumberedRecords,
  type ProbeLog,
  Prober,
  type ProbeSeries,
  probeSeries,
  type RecordsFound,
  valkeyCommand,
} from '../network/index.ts';
import { NETWORK } from './guest.ts';
import { seededRandom } from './seeded-random.ts';

const NOTHING_MEASURED: ServiceMeasurement = {
  requests: 0,
  failed: 0,
  downtimeMs: 0,
  longestGapMs: 0,
  resolutionMs: 0,
  latencyMs: null,
  load: null,
};

export interface ServiceProbeOptions {
  readonly clock: NetworkClock;
  readonly ethernet: EthernetSwitch;
  readonly seed: number;
  /** How often the node has been powered on. */
  readonly powerOns: number;
}

export class ServiceProbe {
  readonly stack: ClientStack;
  readonly #seed: number;
  /** The clients of the load are another computer than the prober. */
  readonly #loadStack: ClientStack;
  #load: Load | undefined;
  /** Node time begins anew with each power-on, and so would the names of the records. */
  readonly #powerOns: number;
  #records: NumberedRecords | undefined;
  #prober: Prober | undefined;
  #log: ProbeLog | undefined;
  #deadlineNs = 0;

  constructor({ clock, ethernet, seed, powerOns }: ServiceProbeOptions) {
    this.#seed = seed;
    this.#powerOns = powerOns;
    this.stack = new ClientStack({ clock, mac: NETWORK.mac.client, address: NETWORK.client, seed });
    const { mac, load } = NETWORK;
    this.#loadStack = new ClientStack({ clock, mac: mac.load, address: load, seed: seed + 1 });
    ethernet.attach(this.stack);
    ethernet.attach(this.#loadStack);
  }

  start(service: ServiceSpec): void {
    this.#prober?.stop();
    this.#load?.stop();
    this.#deadlineNs = service.deadlineMs * NS_PER_MS;
    this.#load = service.load === null ? undefined : this.#makeLoad(service, service.load);
    this.#load?.start();
    this.#records = service.protocol === 'http' ? undefined : this.#makeRecords(service);
    this.#prober = new Prober({
      clock: this.stack.clock,
      ask: this.#records?.ask ?? askHttp(this.stack, { ...targetOf(service), ...expectationOf(service) }),
      intervalNs: service.intervalMs * NS_PER_MS,
      deadlineNs: this.#deadlineNs,
      seed: this.#seed,
    });
    this.#log = this.#prober.log;
    this.#prober.start();
  }

  #makeRecords({ port }: ServiceSpec): NumberedRecords {
    const target = { address: NETWORK.service, port };
    return new NumberedRecords({ stack: this.stack, target, prefix: `record:${this.#powerOns}` });
  }

  #makeLoad(service: ServiceSpec, { downloads, keepAlive, requestsPerSecond }: LoadSpec): Load {
    const { sha256 } = downloads;
    const body = (bytes: Uint8Array): boolean => createHash('sha256').update(bytes).digest('hex') === sha256;
    return new Load({
      stack: this.#loadStack,
      target: targetOf(service),
      expect: expectationOf(service),
      deadlineNs: this.#deadlineNs,
      requestsPerSecond,
      keepAlive: { connections: keepAlive.connections, intervalNs: keepAlive.intervalMs * NS_PER_MS },
      downloads: { ...downloads, expect: sha256 === '' ? { status: HTTP_OK } : { status: HTTP_OK, body } },
      random: uniform(seededRandom(this.#seed)),
    });
  }

  /** Begins no further request. `settledAtNs`: when the last one open has its answer or its deadline. */
  stop(): { readonly settledAtNs: number } {
    this.#prober?.stop();
    this.#load?.stop();
    return { settledAtNs: this.stack.clock.now() + this.#deadlineNs };
  }

  measure(fromNs: number, toNs: number): ServiceMeasurement {
    if (this.#log === undefined) return NOTHING_MEASURED;
    return { ...measureProbe(this.#log, fromNs, toNs), load: this.#load?.log.measure(fromNs, toNs) ?? null };
  }

  /** Null: the service was never asked. */
  series(fromNs: number, toNs: number): ProbeSeries | null {
    return this.#log === undefined ? null : probeSeries(this.#log, fromNs, toNs);
  }

  /** Names of the records that the service acknowledged. */
  get acknowledgedRecords(): readonly string[] {
    return this.#records?.acknowledged ?? [];
  }

  /** What the prober wrote and the service acknowledged, read back; undefined when it does not answer. */
  findRecords(deadlineMs: number): Promise<RecordsFound | undefined> {
    return this.#records?.find(deadlineMs * NS_PER_MS) ?? Promise.resolve({ acknowledged: 0, lost: [] });
  }

  /** Whether a store answers a greeting. */
  ping(
    request: { address: string; port: number; deadlineMs: number },
    done: (result: { readonly answer: string; readonly latencyNs: number }) => void,
  ): void {
    const { clock } = this.stack;
    const startNs = clock.now();
    const deadlineNs = startNs + request.deadlineMs * NS_PER_MS;
    valkeyCommand(this.stack, { ...request, command: ['PING'], deadlineNs }, (result) => {
      const answer = result.ok ? ('text' in result.reply ? result.reply.text : result.reply.type) : result.outcome;
      done({ answer, latencyNs: clock.now() - startNs });
    });
  }

  /** One request beside the schedule. */
  get(
    request: { address: string; port: number; path: string; deadlineMs: number },
    done: (result: HttpResult) => void,
  ): void {
    httpGet(this.stack, { ...request, deadlineNs: this.stack.clock.now() + request.deadlineMs * NS_PER_MS }, done);
  }
}

const HTTP_OK = 200;
const BYTES_OF_RANDOM = 4;

const targetOf = ({ port, path }: ServiceSpec) => ({ address: NETWORK.service, port, path });

const expectationOf = ({ expectStatus, expectContains }: ServiceSpec) => ({
  status: expectStatus,
  body: (body: Uint8Array): boolean => new TextDecoder().decode(body).includes(expectContains),
});

/** Numbers in [0, 1) from random bytes. */
const uniform = (random: (bytes: number) => Uint8Array) => (): number =>
  Buffer.from(random(BYTES_OF_RANDOM)).readUInt32LE() / 2 ** 32;
