/** A node whose OS does pieces of work, and what each kind of work takes. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { PrimitiveArgs, PrimitiveName, PrimitiveResult } from '../../src/engine/index.ts';
import type { MachineCounters, MachineOptions } from '../../src/machine/index.ts';
import { EmulatedNode } from '../../src/node/emulated-node.ts';
import { LIMIT_S, PRIMITIVES } from '../../src/node/primitives/table.ts';
import { createStateDirectory } from '../../src/node/state-directory.ts';

const BOOT_NS = 300_000_000_000;
const REQUESTS = 50;

/** Work inside the guest, by what it spends its time on. */
const WORK: Readonly<Record<string, readonly string[]>> = {
  cpu: ['awk', 'BEGIN { for (i = 0; i < 300000; i++) s += i * i; print s }'],
  'system calls': ['dd', 'if=/dev/zero', 'of=/dev/null', 'bs=1', 'count=20000'],
  fork: ['/bin/sh', '-c', 'i=0; while [ $i -lt 40 ]; do (exit 0); i=$((i+1)); done'],
  disk: ['dd', 'if=/dev/vda', 'of=/dev/null', 'bs=64k', 'count=128', 'iflag=direct'],
};
const NETWORK_WORK = 'network';

/** Of all pieces of a kind together, but for `pieceNs`. */
export interface Figures {
  /** Node time of a piece: the median, of requests the mean. */
  readonly pieceNs: number;
  readonly nodeNs: number;
  readonly instructions: number;
  readonly chargedCycles: number;
  /** Entries into M-mode by mcause. */
  readonly entries: Readonly<Record<string, number>>;
  /** CPU time of this process. */
  readonly cpuMs: number;
}
export type Stage = ReadonlyMap<string, Figures>;

export interface WorkingNodeOptions {
  readonly systemDisk: string;
  readonly harts: MachineOptions['harts'];
  readonly pieces: number;
}

export class WorkingNode {
  readonly node: EmulatedNode;
  readonly #pieces: number;
  readonly #stateDir = mkdtempSync(join(tmpdir(), 'mvctl-overhead-'));

  constructor({ systemDisk, harts, pieces }: WorkingNodeOptions) {
    const state = createStateDirectory(this.#stateDir);
    const config = {
      version: 1,
      bankMib: 256,
      harts,
      clock: 'virtual',
      seed: 1,
      disks: { system: { base: systemDisk, overlay: join(state.disks, 'system.overlay') } },
      systemDisk: { A: 'system' },
      bootSide: 'A',
      powerOns: 1,
    } as const;
    this.node = new EmulatedNode({ config, state, clock: { kind: 'virtual' }, onConsole: () => {} });
    this.#pieces = pieces;
  }

  /** Until the OS has all of its memory. */
  async boot(): Promise<void> {
    await this.node.powerOn(this.node.machine.now() + BOOT_NS);
    await this.act('guest.wait-for', { guest: 'old', argv: ['/usr/local/sbin/mv-memory', 'status'], intervalMs: 100 });
  }

  close(): void {
    this.node.executive.close();
    this.node.disks.closeAll();
    rmSync(this.#stateDir, { recursive: true, force: true });
  }

  act<Name extends PrimitiveName>(name: Name, args: PrimitiveArgs<Name>): Promise<PrimitiveResult<Name>> {
    const deadlineNs = this.node.machine.now() + LIMIT_S[name] * 1e9;
    return PRIMITIVES[name](this.node, args, { deadlineNs, key: name });
  }

  /** Every kind of work. */
  async stage(): Promise<Stage> {
    const figures = new Map<string, Figures>();
    for (const [name, argv] of Object.entries(WORK)) {
      // The first time fills caches.
      await this.act('guest.sample-work', { guest: 'old', argv, times: 1 });
      const times = this.#pieces;
      const work = async () => (await this.act('guest.sample-work', { guest: 'old', argv, times })).nodeNs;
      figures.set(name, await this.#measured(work));
    }
    figures.set(NETWORK_WORK, await this.#measured(() => this.#requests()));
    return figures;
  }

  async #measured(work: () => Promise<number>): Promise<Figures> {
    const { machine } = this.node;
    const [before, fromNs, cpu] = [structuredClone(machine.counters), machine.now(), process.cpuUsage()];
    const pieceNs = await work();
    const { user, system } = process.cpuUsage(cpu);
    const after = machine.counters;
    return {
      pieceNs,
      nodeNs: machine.now() - fromNs,
      instructions: after.retiredInstructions - before.retiredInstructions,
      chargedCycles: after.chargedCycles - before.chargedCycles,
      entries: entriesBetween(before, after),
      cpuMs: (user + system) / 1e3,
    };
  }

  /** Node time of a request, of many in a row. */
  async #requests(): Promise<number> {
    const startNs = this.node.machine.now();
    const check = { guest: 'old', path: '/', times: REQUESTS, intervalMs: 0, deadlineMs: 2_000 } as const;
    await this.act('service.check', { ...check, expectStatus: 200, expectContains: '', expectSha256: '' });
    return (this.node.machine.now() - startNs) / REQUESTS;
  }
}

function entriesBetween(before: MachineCounters, after: MachineCounters): Record<string, number> {
  const counts = Object.entries(after.machineModeEntries)
    .map(([cause, count]): [string, number] => [cause, count - (before.machineModeEntries[cause] ?? 0)])
    .filter(([, count]) => count > 0);
  return Object.fromEntries(counts);
}
