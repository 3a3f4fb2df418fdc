/**
 * A node as the engine imagines it: what each primitive needs and changes, in virtual time, without an OS in it. The dry
 * run and the tests use it. How long things take and what a request costs is given; nothing here was measured.
 */
import type {
  ActOutcome,
  ActRequest,
  Json,
  MicrovisorMeasurement,
  NodeFailure,
  NodePort,
  NodeStatus,
  NodeTimeline,
  ProbeAnswer,
  RequestSeries,
  ServiceMeasurement,
} from './node-port.ts';
import { OwnerSpans } from './owner-spans.ts';
import { FAILURE_CODES, type FailureCode, type GuestName, type PrimitiveName, type ServiceSpec } from './primitives.ts';

export interface ModelTiming {
  readonly ms: number;
  /** How long the service does not answer while a serving guest is worked on. */
  readonly downtimeMs: number;
}

export interface ModelOptions {
  readonly timing: (request: ActRequest) => ModelTiming;
  /** Disks the node has besides the system disk. */
  readonly disks: readonly string[];
  /** Called before a primitive takes effect; what it returns is what the world does instead. */
  readonly interfere?: (request: ActRequest, model: ModelNode) => Interference | undefined;
}

export type Interference =
  | { readonly fails: FailureCode; readonly message?: string; readonly halfWay?: boolean }
  /** The node's process goes on, but whoever asked is not told. */
  | { readonly hangs: true };

interface ModelGuest {
  runs: boolean;
  serviceRuns: boolean;
  /** Version the kernel and packages will have after the next boot, and now. */
  installed: number;
  booted: number;
}

interface Interval {
  readonly fromNs: number;
  toNs: number;
}

type Effect = () => Json;

const MS = 1_000_000;
const LATENCY_MS = 1;
const BINS_MAX = 1_000;
const BANK_BYTES = 512 * 2 ** 20;

export class ModelNode implements NodePort {
  /** Every primitive that took effect, e.g. `vm.boot new`. */
  readonly history: string[] = [];
  nowNs = 0;
  isVirtualized = false;
  isOn = true;
  bankIsFree = false;
  boots = 1;
  serving: GuestName = 'old';
  committed: GuestName = 'old';
  readonly disks: Set<string>;
  readonly guests = new Map<GuestName, ModelGuest>();
  readonly attached = new Set<string>();
  readonly #options: ModelOptions;
  readonly #outcomes = new Map<string, ActOutcome>();
  readonly #running = new Map<string, () => ActOutcome>();
  readonly #lost = new Set<string>();
  readonly #down: Interval[] = [];
  readonly #owners = new OwnerSpans();
  #service: ServiceSpec | undefined;
  #probingFromNs = 0;
  #epoch = 0;
  #wasVirtualized = false;

  constructor(options: ModelOptions) {
    this.#options = options;
    this.disks = new Set(options.disks);
    this.guests.set('old', { runs: true, serviceRuns: true, installed: 1, booted: 1 });
  }

  /** Everything volatile is gone; the committed OS is what boots next. */
  losePower(): void {
    this.#fall();
    this.nowNs = 0;
    this.isOn = false;
    this.boots += 1;
    this.isVirtualized = false;
    this.bankIsFree = false;
    this.attached.clear();
    for (const key of this.#running.keys()) this.#lost.add(key);
    this.#running.clear();
  }

  get bootId(): string {
    return `boot-${this.boots}`;
  }

  status(): Promise<NodeStatus> {
    return Promise.resolve({ bootId: this.bootId, nowNs: this.nowNs, clock: 'virtual', facts: {} });
  }

  fence(epoch: number): Promise<void> {
    this.#epoch = Math.max(this.#epoch, epoch);
    return Promise.resolve();
  }

  async act(request: ActRequest): Promise<ActOutcome> {
    if (request.epoch < this.#epoch)
      return this.#fail(request, 'stale-epoch', `epoch ${request.epoch} < ${this.#epoch}`);
    this.#epoch = request.epoch;
    const known = this.#outcomes.get(request.key);
    if (known) return known;
    const running = this.#running.get(request.key);
    if (running) return running();
    const interference = this.#options.interfere?.(request, this);
    const finish = (): ActOutcome => {
      this.#running.delete(request.key);
      const outcome = this.#perform(request, interference);
      this.#outcomes.set(request.key, outcome);
      this.#owners.note(this.nowNs, this.#ownersNow());
      return outcome;
    };
    if (interference && 'hangs' in interference) {
      this.#running.set(request.key, finish);
      return new Promise(() => {});
    }
    return finish();
  }

  probe(key: string): Promise<ProbeAnswer> {
    const outcome = this.#outcomes.get(key);
    if (outcome) return Promise.resolve({ state: 'done', outcome });
    if (this.#running.has(key)) return Promise.resolve({ state: 'running' });
    if (this.#lost.has(key)) return Promise.resolve({ state: 'lost', bootId: this.bootId });
    return Promise.resolve({ state: 'never-started' });
  }

  waitUntil(ns: number): Promise<void> {
    this.nowNs = Math.max(this.nowNs, ns);
    return Promise.resolve();
  }

  measureService(fromNs: number, toNs: number): Promise<ServiceMeasurement> {
    const intervalMs = this.#service?.intervalMs ?? 10;
    const intervalNs = intervalMs * MS;
    const first = Math.max(0, Math.ceil((fromNs - this.#probingFromNs) / intervalNs));
    let requests = 0;
    let failed = 0;
    let gap = 0;
    let longestGap = 0;
    for (let ns = this.#probingFromNs + first * intervalNs; ns < toNs; ns += intervalNs) {
      requests += 1;
      if (this.#isDownAt(ns)) {
        failed += 1;
        gap += 1;
        longestGap = Math.max(longestGap, gap);
      } else gap = 0;
    }
    const latencyMs = requests > failed ? { p50: LATENCY_MS, p99: LATENCY_MS, max: LATENCY_MS } : null;
    return Promise.resolve({
      requests,
      failed,
      downtimeMs: failed * intervalMs,
      longestGapMs: longestGap * intervalMs,
      resolutionMs: intervalMs,
      latencyMs,
    });
  }

  measureTimeline(fromNs: number, toNs: number): Promise<NodeTimeline> {
    return Promise.resolve({ requests: this.#requests(fromNs, toNs), owners: this.#owners.between(fromNs, toNs) });
  }

  measureMicrovisor(): Promise<MicrovisorMeasurement> {
    return Promise.resolve({ traps: {} });
  }

  onProgress(): () => void {
    return () => {};
  }

  close(): Promise<void> {
    return Promise.resolve();
  }

  #perform(request: ActRequest, interference: Interference | undefined): ActOutcome {
    const { ms, downtimeMs } = this.#options.timing(request);
    const startNs = this.nowNs;
    const endNs = startNs + Math.round(ms * MS);
    if (request.deadlineNs !== undefined && endNs > request.deadlineNs) {
      this.nowNs = Math.max(startNs, request.deadlineNs);
      return { ok: false, error: failure('timeout', 'the deadline passed'), startNs, endNs: this.nowNs };
    }
    const effect = this.#effectOf(request, startNs, endNs, downtimeMs);
    this.nowNs = endNs;
    if (typeof effect !== 'function') return { ok: false, error: effect, startNs, endNs };
    if (interference && 'fails' in interference) {
      if (interference.halfWay) effect();
      const { fails, message = 'as the test wants it' } = interference;
      return { ok: false, error: failure(fails, message), startNs, endNs };
    }
    this.history.push(label(request));
    return { ok: true, result: effect(), startNs, endNs };
  }

  /** What the primitive does, or why it is refused. */
  #effectOf(request: ActRequest, startNs: number, endNs: number, downtimeMs: number): Effect | NodeFailure {
    const args = request.args as { readonly [name: string]: Json };
    const guestName = (args['guest'] ?? args['from'] ?? null) as GuestName | null;
    const guest = guestName === null ? undefined : this.guests.get(guestName);
    const refusal = this.#refusal(request.primitive, args, guest);
    if (refusal) return refusal;
    const worksOnServing = guestName === this.serving;
    switch (request.primitive as PrimitiveName) {
      case 'run.begin':
        return () => {
          this.#service = args['service'] as unknown as ServiceSpec;
          this.#probingFromNs = endNs;
          return { os: this.#facts(this.serving, args['packages']) };
        };
      case 'run.end':
        return () => ({
          guest: this.serving,
          os: this.#facts(this.serving, args['packages']),
          virtualized: this.isVirtualized,
        });
      case 'node.commit':
        return () => {
          this.committed = args['guest'] as GuestName;
          return {};
        };
      case 'node.boot':
        return () => {
          const wasOff = !this.isOn;
          if (wasOff) this.#boot(endNs);
          return { booted: wasOff, os: this.#facts(this.serving, []) };
        };
      case 'microvisor.virtualize':
        return () => {
          this.isVirtualized = true;
          this.#wasVirtualized = true;
          return { switchNs: Math.round((endNs - startNs) / 10), pauseNs: Math.round((endNs - startNs) / 10) };
        };
      case 'microvisor.devirtualize':
        return () => {
          this.isVirtualized = false;
          const switchNs = Math.round((endNs - startNs) / 10);
          return { switchNs, pauseNs: switchNs, stateIdentical: true, differences: [] };
        };
      case 'microvisor.audit':
        return () => ({ bareTrapsExtra: 0, stateIdentical: true });
      case 'memory.give-up':
        return () => {
          this.bankIsFree = true;
          return { bytes: BANK_BYTES };
        };
      case 'memory.take-up':
        return () => {
          this.bankIsFree = false;
          return { bytes: BANK_BYTES };
        };
      case 'disk.clone':
        return () => {
          this.disks.add(String(args['name']));
          return { bytes: 2 ** 30, frozenMs: 1.5 };
        };
      case 'disk.remove':
        return () => {
          this.disks.delete(String(args['name']));
          return {};
        };
      case 'disk.attach':
        return () => {
          this.attached.add(`${guestName}:${args['name']}`);
          return { device: `/dev/disk/by-id/virtio-${args['name']}` };
        };
      case 'disk.detach':
        return () => {
          this.attached.delete(`${guestName}:${args['name']}`);
          return {};
        };
      case 'device.move':
        return () => ({ from: args['to'] === 'old' ? 'new' : 'old' });
      case 'vm.create':
        return () => {
          const source = this.guests.get(guestName === 'new' ? 'old' : 'new');
          const version = source?.installed ?? 1;
          this.guests.set(guestName!, { runs: false, serviceRuns: false, installed: version, booted: version });
          this.bankIsFree = false;
          return { memoryBytes: BANK_BYTES };
        };
      case 'vm.boot':
      case 'vm.reboot':
        return () => {
          guest!.runs = true;
          guest!.serviceRuns = true;
          guest!.booted = guest!.installed;
          if (worksOnServing) {
            this.#rise(startNs);
            this.#down.push({ fromNs: startNs, toNs: endNs });
          }
          return { bootMs: (endNs - startNs) / MS };
        };
      case 'vm.destroy':
        return () => {
          if (this.guests.delete(guestName!)) this.bankIsFree = true;
          return {};
        };
      case 'guest.shutdown':
        return () => {
          guest!.runs = false;
          return {};
        };
      case 'guest.run':
        return () => {
          this.#run(guest!, args['argv'] as readonly string[], worksOnServing, startNs, endNs);
          return { exitCode: 0, stdout: '', stderr: '' };
        };
      case 'guest.copy':
        return () => ({ bytes: 0 });
      case 'guest.wait-for':
        return () => ({ attempts: 1 });
      case 'guest.facts':
        return () => this.#facts(guestName!, args['packages']);
      case 'guest.sample-work':
        return () => ({
          virtualized: this.isVirtualized,
          nodeNs: endNs - startNs,
          instructions: endNs - startNs,
          traps: {},
        });
      case 'service.check':
        return () => ({
          status: Number(args['expectStatus']),
          bodySha256: args['expectSha256'] === '' ? '0'.repeat(64) : String(args['expectSha256']),
          body: String(args['expectContains']),
          latencyMsMax: LATENCY_MS,
        });
      case 'service.cut-over':
        return () => {
          this.serving = args['to'] as GuestName;
          if (downtimeMs > 0) this.#down.push({ fromNs: startNs, toNs: startNs + downtimeMs * MS });
          return {};
        };
    }
  }

  #refusal(
    primitive: PrimitiveName,
    args: { readonly [name: string]: Json },
    guest: ModelGuest | undefined,
  ): NodeFailure | undefined {
    if (!this.isOn && primitive !== 'node.boot') return failure('guest-not-running', 'the node is off');
    const mustRun = ['guest.', 'memory.', 'disk.clone', 'vm.reboot', 'service.cut-over'].some((prefix) =>
      primitive.startsWith(prefix),
    );
    if (mustRun && !guest?.runs) return failure('guest-not-running', `${args['guest'] ?? args['from']} does not run`);
    switch (primitive) {
      case 'microvisor.virtualize':
        return this.isVirtualized ? failure('already-virtualized', 'the node is virtualized already') : undefined;
      case 'microvisor.devirtualize':
        return this.guests.size > 1 ? failure('refused', 'two guests exist') : undefined;
      case 'vm.create':
        if (!this.isVirtualized) return failure('not-virtualized', 'the node is bare');
        if (!this.disks.has(String(args['disk']))) return failure('no-such-disk', `no disk ${args['disk']}`);
        return this.bankIsFree ? undefined : failure('refused', 'no memory was given up');
      case 'vm.boot':
        return guest ? undefined : failure('no-such-guest', `no guest ${args['guest']}`);
      case 'vm.destroy':
        return guest && args['guest'] === this.serving ? failure('refused', 'it has the service') : undefined;
      case 'disk.attach':
        return this.disks.has(String(args['name'])) ? undefined : failure('no-such-disk', `no disk ${args['name']}`);
      case 'service.check': {
        const asked = this.guests.get((args['guest'] as GuestName | null) ?? this.serving);
        return asked?.runs && asked.serviceRuns ? undefined : failure('service-down', 'nobody answers');
      }
      default:
        return undefined;
    }
  }

  #run(guest: ModelGuest, argv: readonly string[], worksOnServing: boolean, startNs: number, endNs: number): void {
    const [program = '', verb = ''] = argv;
    if (program.endsWith('/mv-service')) {
      guest.serviceRuns = verb === 'start';
      if (worksOnServing && verb === 'stop') this.#down.push({ fromNs: startNs, toNs: Number.POSITIVE_INFINITY });
      if (worksOnServing && verb === 'start') this.#rise(endNs);
    } else if (program.endsWith('/mv-upgrade')) guest.installed += 1;
  }

  #boot(atNs: number): void {
    this.isOn = true;
    const committed = this.guests.get(this.committed);
    this.guests.clear();
    const version = committed?.installed ?? 1;
    this.guests.set('old', { runs: true, serviceRuns: true, installed: version, booted: version });
    this.serving = 'old';
    this.committed = 'old';
    this.#rise(atNs);
  }

  #fall(): void {
    this.#down.push({ fromNs: this.nowNs, toNs: Number.POSITIVE_INFINITY });
  }

  #rise(atNs: number): void {
    for (const interval of this.#down) interval.toNs = Math.min(interval.toNs, atNs);
  }

  #isDownAt(ns: number): boolean {
    return this.#down.some(({ fromNs, toNs }) => ns >= fromNs && ns < toNs);
  }

  #requests(fromNs: number, toNs: number): RequestSeries | null {
    if (!this.#service) return null;
    const intervalNs = this.#service.intervalMs * MS;
    const firstNs =
      this.#probingFromNs + Math.max(0, Math.ceil((fromNs - this.#probingFromNs) / intervalNs)) * intervalNs;
    const slots = Math.max(0, Math.ceil((toNs - firstNs) / intervalNs));
    const slotsPerBin = Math.max(1, Math.ceil(slots / BINS_MAX));
    const requests: number[] = [];
    const failed: number[] = [];
    for (let slot = 0; slot < slots; slot++) {
      const bin = Math.floor(slot / slotsPerBin);
      requests[bin] = (requests[bin] ?? 0) + 1;
      failed[bin] = (failed[bin] ?? 0) + (this.#isDownAt(firstNs + slot * intervalNs) ? 1 : 0);
    }
    const latencyMs = requests.map((count, bin) => (failed[bin] === count ? null : LATENCY_MS));
    return { fromNs: firstNs, binNs: slotsPerBin * intervalNs, requests, failed, p50Ms: latencyMs, maxMs: latencyMs };
  }

  #ownersNow(): ReadonlyMap<string, string> {
    const owners = new Map([['M-mode', this.isVirtualized ? 'Microvisor' : 'firmware']]);
    if (this.isOn) owners.set('service', this.serving);
    return owners;
  }

  #facts(
    name: GuestName,
    packages: Json | undefined,
  ): { kernel: string; osRelease: { [key: string]: string }; packages: { [name: string]: string } } {
    const guest = this.guests.get(name);
    const version = (n: number): string => `${n}.0-model`;
    const names = Array.isArray(packages) ? packages.map(String) : [];
    return {
      kernel: version(guest?.booted ?? 0),
      osRelease: { ID: 'model' },
      packages: Object.fromEntries(names.map((pkg) => [pkg, version(guest?.installed ?? 0)])),
    };
  }

  #fail(_request: ActRequest, code: FailureCode, message: string): ActOutcome {
    return { ok: false, error: failure(code, message), startNs: this.nowNs, endNs: this.nowNs };
  }

  /** Whether the node was ever virtualized, for tests. */
  get wasVirtualized(): boolean {
    return this.#wasVirtualized;
  }
}

const failure = (code: FailureCode, message: string): NodeFailure => ({
  code,
  message,
  retryable: FAILURE_CODES[code].retryable,
});

function label({ primitive, args }: ActRequest): string {
  const subject = args['guest'] ?? args['name'] ?? args['disk'] ?? args['to'] ?? args['device'];
  return typeof subject === 'string' ? `${primitive} ${subject}` : primitive;
}
