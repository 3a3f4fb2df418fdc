/**
 * A node that has been booted once and is woken as often as it is needed: a run of the campaign begins with the same
 * server, bit for bit, and without the time of its boot.
 */
import { cpSync, existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { deserialize, serialize } from 'node:v8';
import { EXIT, type PrimitiveArgs, type PrimitiveName } from '../../src/engine/index.ts';
import type { SnapshotValue } from '../../src/machine/index.ts';
import { EmulatedNode } from '../../src/node/emulated-node.ts';
import { type NodeConfig, readNodeConfig, writeNodeConfig } from '../../src/node/node-config.ts';
import { LIMIT_S, PRIMITIVES } from '../../src/node/primitives/table.ts';
import { createStateDirectory } from '../../src/node/state-directory.ts';
import { ROOT, startMvctl } from './mvctl-process.ts';

const MACHINE = 'machine.v8';

/** Where the names of the records are noted that clients of the node saw acknowledged. */
export const clientsPath = (stateDir: string): string => join(stateDir, 'acknowledged.json');

const KERNEL_SYMBOLS = 'kernel-symbols';
const SYMBOLS = "grep -E ' (_start|handle_exception)$' /proc/kallsyms";

/** Bytes from the beginning of the saved server's kernel to its trap handler. */
export function trapHandlerOffset(saved: string): number {
  const lines = readFileSync(join(saved, KERNEL_SYMBOLS), 'utf8');
  const address = (name: string): bigint => {
    const [, hex] = new RegExp(`^([0-9a-f]+) \\w ${name}$`, 'm').exec(lines) ?? [];
    if (hex === undefined)
      throw new Error(`expected the address of ${name} among the kernel's symbols, found ${lines}`);
    return BigInt(`0x${hex}`);
  };
  return Number(address('handle_exception') - address('_start'));
}

/** Whether there is a saved node in the folder. */
export const isSaved = (folder: string): boolean => existsSync(join(folder, MACHINE));

/** What prepares the node, and what the standby that it keeps is called. */
const PREPARATION = join(ROOT, 'playbooks/prepare-standby.yaml');
export const STANDBY = 'standby';

/** Has the node prepared, boots it again, waits until nothing of the boot is under way any more, and saves it in the folder. */
export async function saveStatefulNode(folder: string): Promise<void> {
  const building = `${folder}.new`;
  rmSync(building, { recursive: true, force: true });
  rmSync(folder, { recursive: true, force: true });
  const state = createStateDirectory(building);
  for (const args of [
    ['apply', PREPARATION],
    ['node', 'down'],
  ]) {
    const { exitCode, printed } = await startMvctl([...args, '--state-dir', building]).ended;
    if (exitCode !== EXIT.ok.code) throw new Error(`mvctl ${args.join(' ')} ended with ${exitCode}: ${printed}`);
  }
  const config = readNodeConfig(state.config)!;
  const node = new EmulatedNode({ config, state, clock: { kind: 'virtual' }, onConsole: () => {} });
  await node.powerOn(LIMIT_S['node.boot'] * 1e9);
  await act(node, 'guest.wait-for', { guest: 'old', argv: ['/usr/local/sbin/mv-store', 'status'], intervalMs: 100 });
  await act(node, 'guest.wait-for', { guest: 'old', argv: ['/usr/local/sbin/mv-memory', 'status'], intervalMs: 100 });
  const symbols = await node.run('old', ['/bin/sh', '-c', SYMBOLS], { deadlineNs: Number.MAX_SAFE_INTEGER });
  writeFileSync(join(building, KERNEL_SYMBOLS), symbols.stdout);
  writeFileSync(join(building, MACHINE), serialize(node.save()));
  node.disks.closeAll();
  renameSync(building, folder);
}

const act = <Name extends PrimitiveName>(node: EmulatedNode, name: Name, args: PrimitiveArgs<Name>): Promise<unknown> =>
  PRIMITIVES[name](node, args, { deadlineNs: node.machine.now() + LIMIT_S[name] * 1e9, key: '' });

/** A state directory with the saved node in it, which `wakeNode` wakes. `seed` moves the random choices from here on. */
export function copySavedNode(saved: string, stateDir: string, seed: number): void {
  mkdirSync(stateDir, { recursive: true });
  for (const part of ['node.json', 'disks', 'standbys']) {
    cpSync(join(saved, part), join(stateDir, part), { recursive: true, filter: (path) => !path.endsWith('.lock') });
  }
  const { config } = createStateDirectory(stateDir);
  writeNodeConfig(config, { ...readNodeConfig(config)!, seed });
}

/** The node of a state directory that was copied from the saved one, where it was when it was saved. */
export function wakeNode(
  saved: string,
  stateDir: string,
): { readonly node: EmulatedNode; readonly config: NodeConfig } {
  const state = createStateDirectory(stateDir);
  const config = readNodeConfig(state.config)!;
  // A run is over before what the translator compiles on another core has paid for itself.
  const node = new EmulatedNode({ config, state, clock: { kind: 'virtual' }, translate: 'off', onConsole: () => {} });
  node.wake(deserialize(readFileSync(join(saved, MACHINE))) as SnapshotValue);
  return { node, config };
}
