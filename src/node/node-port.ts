/** The engine's NodePort on an emulated node in this process. */
import type {
  ActOutcome,
  ActRequest,
  FirstEnd,
  Json,
  MicrovisorMeasurement,
  NodeStatus,
  NodeTimeline,
  PrimitiveName,
  ProbeAnswer,
  ServiceMeasurement,
} from '../engine/port.ts';
import type { Side } from '../machine/index.ts';
import { AccountLog } from './account-log.ts';
import { ActRecord } from './act-record.ts';
import { ConsoleLines } from './console-lines.ts';
import { OverlayError } from './disk-store.ts';
import type { EmulatedNode } from './emulated-node.ts';
import { NodeOffError } from './executive.ts';
import { NodeError } from './node-error.ts';
import { OwnershipLog } from './ownership-log.ts';
import { LIMIT_S, PRIMITIVES, type Primitive } from './primitives/table.ts';
import type { ServedNode } from './server.ts';
import { type NodeTop, topOf } from './top.ts';
import { TrapLog } from './trap-log.ts';

export interface LocalNodeOptions {
  readonly node: EmulatedNode;
  readonly bootId: string;
  readonly actsPath: string;
}

export class LocalNode implements ServedNode {
  readonly #node: EmulatedNode;
  readonly #bootId: string;
  readonly #acts: ActRecord;
  readonly #traps: TrapLog;
  readonly #accounts: AccountLog;
  readonly #owners: OwnershipLog;
  readonly #listeners = new Set<(line: string) => void>();
  readonly #lines = { A: new ConsoleLines(), B: new ConsoleLines() };
  readonly #consoles = new Set<(side: Side, bytes: Uint8Array) => void>();
  #epoch = 0;

  constructor({ node, bootId, actsPath }: LocalNodeOptions) {
    this.#node = node;
    this.#bootId = bootId;
    this.#acts = new ActRecord(actsPath, bootId);
    this.#traps = new TrapLog(node.machine);
    this.#accounts = new AccountLog(
      () => node.microvisor,
      () => node.machine.now(),
      (side) => node.guests.nameMade(side),
    );
    this.#owners = new OwnershipLog(node);
  }

  async status(): Promise<NodeStatus> {
    const { machine } = this.#node;
    return {
      bootId: this.#bootId,
      nowNs: machine.now(),
      clock: machine.options.clock.kind,
      facts: this.#node.facts(),
    };
  }

  async fence(epoch: number): Promise<void> {
    this.#epoch = Math.max(this.#epoch, epoch);
  }

  async act(request: ActRequest): Promise<ActOutcome> {
    const now = this.#node.machine.now();
    if (request.epoch < this.#epoch) {
      const message = `epoch ${request.epoch} is behind ${this.#epoch}: a later run or resume holds the node`;
      return { ok: false, error: { code: 'stale-epoch', message, retryable: false }, startNs: now, endNs: now };
    }
    this.#epoch = request.epoch;
    this.#node.executive.release();
    return this.#acts.once(request.key, () => this.#do(request));
  }

  async actAny(requests: readonly ActRequest[], untilNs: number | null): Promise<FirstEnd | null> {
    const { executive } = this.#node;
    const over = new AbortController();
    const ends = requests.map((request) => this.act(request).then((outcome) => ({ key: request.key, outcome })));
    const until = untilNs === null ? never : executive.drive(executive.until(untilNs, over.signal));
    // A node that goes off lets every act end; then there is no time at which to stop.
    const first = await Promise.race([...ends, until.then(() => null).catch(() => never)]);
    executive.hold();
    over.abort();
    return first;
  }

  async #do({ primitive, args, key, deadlineNs }: ActRequest): Promise<ActOutcome> {
    const { machine } = this.#node;
    const startNs = machine.now();
    this.#mark();
    // The table's types tie arguments to names; what crosses the port is JSON the engine made from the same table.
    const work = PRIMITIVES[primitive] as Primitive<PrimitiveName>;
    try {
      const limitNs = startNs + LIMIT_S[primitive] * 1e9;
      const context = { deadlineNs: Math.min(deadlineNs ?? limitNs, limitNs), key };
      const result = await this.#node.watching(() => work(this.#node, args as never, context));
      return { ok: true, result: result as unknown as Json, startNs, endNs: machine.now() };
    } catch (error) {
      const failure = asNodeError(error);
      const { code, message, retryable, details } = failure;
      return {
        ok: false,
        error: { code, message, retryable, ...(details === undefined ? {} : { details }) },
        startNs,
        endNs: machine.now(),
      };
    } finally {
      this.#mark();
      this.#owners.mark();
    }
  }

  async probe(key: string): Promise<ProbeAnswer> {
    const answer = this.#acts.probe(key);
    const { committed } = this.#node;
    if (answer.state !== 'lost' || committed?.key !== key) return answer;
    const { atNs } = committed;
    return { state: 'done', outcome: { ok: true, result: {}, startNs: atNs, endNs: atNs } };
  }

  async waitUntil(ns: number): Promise<void> {
    this.#mark();
    this.#node.executive.release();
    await this.#node.executive.drive(this.#node.executive.until(ns));
    this.#mark();
  }

  async measureService(fromNs: number, toNs: number): Promise<ServiceMeasurement> {
    return this.#node.probe.measure(fromNs, toNs);
  }

  async measureMicrovisor(fromNs: number, toNs: number): Promise<MicrovisorMeasurement> {
    return { traps: this.#traps.between(fromNs, toNs), ...this.#accounts.between(fromNs, toNs) };
  }

  #mark(): void {
    this.#traps.mark();
    this.#accounts.mark();
  }

  async top(): Promise<NodeTop> {
    return topOf(this.#node);
  }

  async measureTimeline(fromNs: number, toNs: number): Promise<NodeTimeline> {
    return { requests: this.#node.probe.series(fromNs, toNs), owners: this.#owners.between(fromNs, toNs) };
  }

  onProgress(listener: (line: string) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  onConsole(listener: (side: Side, bytes: Uint8Array) => void): () => void {
    this.#consoles.add(listener);
    return () => this.#consoles.delete(listener);
  }

  /** Called with what a UART sends: bytes for a console, its lines as the progress of what goes on. */
  console(side: Side, bytes: Uint8Array): void {
    for (const listener of this.#consoles) listener(side, bytes);
    for (const line of this.#lines[side].take(bytes)) {
      for (const listener of this.#listeners) listener(`${this.#node.guests.findName(side) ?? side}: ${line}`);
    }
  }

  consoleInput(text: string): void {
    this.#node.machine.uart(this.#node.bootSide).input(new TextEncoder().encode(text));
    this.#node.executive.kick();
  }

  insertDisk(name: string, image: string): boolean {
    return this.#node.disks.insert(name, image);
  }

  async shutDown(): Promise<void> {
    this.#node.executive.close();
    this.#node.disks.closeAll();
  }

  async close(): Promise<void> {}
}

const never = new Promise<never>(() => {});

/** What a primitive threw, as the world's doing; a defect of ours is not the world's and goes on up. */
function asNodeError(error: unknown): NodeError {
  if (error instanceof NodeError) return error;
  if (error instanceof NodeOffError) return new NodeError('guest-not-running', error.message);
  if (error instanceof OverlayError) return new NodeError('no-such-disk', error.message);
  // Of a system call: the disk of this computer is full, or a file of the node is gone.
  if (error instanceof Error && 'errno' in error) return new NodeError('refused', `below the node: ${error.message}`);
  throw error;
}
