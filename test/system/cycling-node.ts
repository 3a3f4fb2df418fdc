/** One node that goes through one maintenance after another, and what is left of it after each. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  type ActOutcome,
  type ActRequest,
  makePlan,
  type Plan,
  type PrimitiveArgs,
  type PrimitiveName,
  type PrimitiveResult,
  parseYaml,
  runPlan,
  validatePlaybook,
} from '../../src/engine/index.ts';
import type { MachineOptions, Side, SnapshotValue } from '../../src/machine/index.ts';
import { EmulatedNode } from '../../src/node/emulated-node.ts';
import type { NodeTop } from '../../src/node/index.ts';
import type { NodeConfig } from '../../src/node/node-config.ts';
import { LocalNode } from '../../src/node/node-port.ts';
import { LIMIT_S, PRIMITIVES } from '../../src/node/primitives/table.ts';
import { createStateDirectory } from '../../src/node/state-directory.ts';

const PLAYBOOK = join(import.meta.dirname, '../../playbooks/online-os-restart.yaml');
const WORK = ['sha256sum', '/usr/sbin/nginx'];
/** The time of a piece is the median; where it runs among harts, and what interrupts it, is chance. */
const WORK_TIMES = 5;
const BOOT_NS = 300_000_000_000;

/** What a cycle did and what it left behind, on the bare node. Times are node time. */
export interface CycleFigures {
  /** The side that has the machine afterwards. */
  readonly side: Side;
  readonly outcome: string;
  readonly requests: number;
  readonly failed: number;
  readonly downtimeMs: number;
  readonly virtualizeUs: number;
  readonly devirtualizeUs: number;
  readonly bytesGivenUp: number;
  readonly bytesTakenUp: number;
  readonly memTotalKib: number;
  readonly memAvailableKib: number;
  readonly workUs: number;
  readonly workInstructions: number;
  /** Instructions of the work by CPU time of this process: slower means that something is searched, flushed or filled more. */
  readonly workMips: number;
  readonly nodeMs: number;
  readonly stateIdentical: boolean;
  readonly bareTrapsExtra: number;
  /** What M-mode and the OS have set in PLICs, timers and partition controller: equal for equal sides. */
  readonly board: string;
}

export interface CyclingNodeOptions {
  readonly stateDir: string;
  readonly systemDisk: string;
  readonly bankMib?: number;
  readonly harts?: MachineOptions['harts'];
}

export class CyclingNode {
  readonly node: EmulatedNode;
  readonly #port: RecordingNode;
  readonly #stateDir: string;
  readonly #plan: Plan;

  constructor({ stateDir, systemDisk, bankMib = 256, harts = 1 }: CyclingNodeOptions) {
    const state = createStateDirectory(stateDir);
    const config: NodeConfig = {
      version: 1,
      bankMib,
      harts,
      clock: 'virtual',
      seed: 1,
      disks: { system: { base: systemDisk, overlay: join(state.disks, 'system.overlay') } },
      systemDisk: { A: 'system' },
      bootSide: 'A',
      powerOns: 1,
    };
    this.node = new EmulatedNode({ config, state, clock: { kind: 'virtual' }, onConsole: () => {} });
    this.#port = new RecordingNode({ node: this.node, bootId: 'boot-1', actsPath: state.acts });
    this.#stateDir = stateDir;
    this.#plan = planOf(PLAYBOOK);
  }

  /** Boots the node and waits until its OS has all of its memory, as it has between two cycles. */
  async boot(): Promise<void> {
    await this.node.powerOn(this.node.machine.now() + BOOT_NS);
    await this.#act('guest.wait-for', { guest: 'old', argv: ['/usr/local/sbin/mv-memory', 'status'], intervalMs: 100 });
  }

  async close(): Promise<void> {
    await this.#port.shutDown();
  }

  /** One maintenance from bare to bare. */
  async cycle(): Promise<CycleFigures> {
    this.#port.results.clear();
    const end = await runPlan(this.#plan, { port: this.#port, stateDir: this.#stateDir, wallNow: () => 0 });
    if (end.kind !== 'over') throw new Error('the run was interrupted');
    const { run, service, microvisor, failure } = end.report;
    if (run.outcome !== 'succeeded' || service === null || microvisor === null) {
      throw new Error(`the cycle ended ${run.outcome}: ${JSON.stringify(failure)}`);
    }
    return {
      side: this.node.bootSide,
      outcome: run.outcome,
      requests: service.requests,
      failed: service.failed,
      downtimeMs: service.downtimeMs,
      virtualizeUs: microvisor.virtualizeUs ?? Number.NaN,
      devirtualizeUs: microvisor.devirtualizeUs ?? Number.NaN,
      bytesGivenUp: this.#result('memory.give-up', 'bytes'),
      bytesTakenUp: this.#result('memory.take-up', 'bytes'),
      nodeMs: run.nodeMs,
      stateIdentical: microvisor.stateIdentical === true,
      bareTrapsExtra: microvisor.bareTrapsExtra ?? Number.NaN,
      ...(await this.#left()),
    };
  }

  top(): Promise<NodeTop> {
    return this.#port.top();
  }

  /** What a shell command prints in the OS that has the bare node. */
  async run(script: string): Promise<string> {
    this.node.guests.beginNames(this.node.bootSide);
    const argv = ['/bin/sh', '-ec', script];
    return (await this.#act('guest.run', { guest: 'old', argv, env: {}, expectExit: [0] })).stdout;
  }

  #result(primitive: PrimitiveName, name: string): number {
    return Number(this.#port.results.get(primitive)?.[name]);
  }

  /** What the bare node is like between two runs. */
  async #left() {
    this.node.guests.beginNames(this.node.bootSide);
    await this.#act('guest.run', { guest: 'old', argv: WORK, env: {}, expectExit: [0] });
    const cpuBefore = process.cpuUsage();
    const work = await this.#act('guest.sample-work', { guest: 'old', argv: WORK, times: WORK_TIMES });
    const { user, system } = process.cpuUsage(cpuBefore);
    const meminfo = await this.run('echo 3 >/proc/sys/vm/drop_caches; cat /proc/meminfo');
    const kib = (name: string): number => Number(new RegExp(`${name}: +(\\d+) kB`).exec(meminfo)?.[1]);
    return {
      memTotalKib: kib('MemTotal'),
      memAvailableKib: kib('MemAvailable'),
      workUs: work.nodeNs / 1e3,
      workInstructions: work.instructions,
      workMips: work.instructions / (user + system),
      board: JSON.stringify(boardOf(this.node.machine.save())),
    };
  }

  #act<Name extends PrimitiveName>(name: Name, args: PrimitiveArgs<Name>): Promise<PrimitiveResult<Name>> {
    const deadlineNs = this.node.machine.now() + LIMIT_S[name] * 1e9;
    return PRIMITIVES[name](this.node, args, { deadlineNs, key: '' });
  }
}

/** A node that remembers the last result of each primitive. */
class RecordingNode extends LocalNode {
  readonly results = new Map<PrimitiveName, { readonly [name: string]: unknown }>();

  override async act(request: ActRequest): Promise<ActOutcome> {
    const outcome = await super.act(request);
    if (outcome.ok) this.results.set(request.primitive, outcome.result as { readonly [name: string]: unknown });
    return outcome;
  }
}

/** A figure of a later cycle beside that of the first. */
export interface FigureChange {
  readonly name: string;
  readonly first: number;
  readonly last: number;
  /** Of the first; 0 where both are 0. */
  readonly share: number;
}

/** Every figure of a cycle that is a number but the speed of this process. */
const FIGURES = [
  'failed',
  'downtimeMs',
  'virtualizeUs',
  'devirtualizeUs',
  'bytesGivenUp',
  'bytesTakenUp',
  'memTotalKib',
  'memAvailableKib',
  'workUs',
  'workInstructions',
  'nodeMs',
  'bareTrapsExtra',
] as const satisfies readonly (keyof CycleFigures)[];

export const changes = (first: CycleFigures, last: CycleFigures): FigureChange[] =>
  FIGURES.map((name) => ({
    name,
    first: first[name],
    last: last[name],
    share: first[name] === last[name] ? 0 : last[name] / first[name] - 1,
  }));

export const isWithin = ({ share }: FigureChange, limit: number): boolean => Math.abs(share) <= limit;

function planOf(path: string): Plan {
  const { playbook, diagnostics } = validatePlaybook(parseYaml(path, readFileSync(path)));
  if (playbook === undefined) throw new Error(`${path}: ${JSON.stringify(diagnostics)}`);
  const { plan, problems } = makePlan(playbook, { vars: {}, readFile: () => new Uint8Array() });
  if (plan === undefined) throw new Error(`${path}: ${JSON.stringify(problems)}`);
  return plan;
}

/** Interrupts under way are left out: they come and go. */
function boardOf(snapshot: SnapshotValue): unknown {
  type Part = { readonly [name: string]: SnapshotValue };
  const board = (snapshot as Part)['board'] as Part;
  const plic = (name: string) => {
    const { priority, enable, threshold, claimed } = board[name] as Part;
    return { priority: [...(priority as Uint8Array)], enable, threshold: [...(threshold as Uint8Array)], claimed };
  };
  const { steer, iopmp } = board['partition-controller'] as Part;
  const { msip, mtimecmp } = board['aclint'] as Part;
  return {
    plicA: plic('plicA'),
    plicB: plic('plicB'),
    steer,
    iopmp: ((iopmp as Part)['ranges'] as SnapshotValue[]).map(String),
    msip,
    mtimecmp: (mtimecmp as SnapshotValue[]).map(String),
  };
}
