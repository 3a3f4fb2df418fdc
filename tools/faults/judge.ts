/** Looks, past the engine, at what a run left behind: whether the store serves, and has every record it acknowledged. */
import { existsSync, readFileSync } from 'node:fs';
import type { PrimitiveArgs, PrimitiveName, PrimitiveResult } from '../../src/engine/index.ts';
import { RunStore } from '../../src/engine/index.ts';
import { recordValue } from '../../src/network/index.ts';
import { connectNode, type RemoteNode } from '../../src/node/index.ts';
import { clientsPath } from './saved-node.ts';

const KEYS_AT_ONCE = 200;
const LOST_NAMED_MAX = 5;
const VALKEY = 'exec valkey-cli --raw MGET "$@"';

const START = 'mv-store start';
/**
 * A write that the disk refused may leave zeros at the end of the file: Valkey does not start with them (only with a record
 * that is cut off), and says that whoever is in charge shall cut them off.
 */
const REPAIR = `systemctl stop mv-store
mv-store mount
echo y | valkey-check-aof --fix /srv/store/appendonlydir/appendonly.aof.manifest
mv-store unmount
mv-store start`;

export interface Verdict {
  readonly acknowledged: number;
  readonly lost: readonly string[];
  /** Nothing had to be done by hand: the node is bare, one OS runs, and the store serves. */
  readonly safe: boolean;
  readonly bootSide: string;
}

let asked = 0;

async function act<Name extends PrimitiveName>(
  node: RemoteNode,
  stateDir: string,
  primitive: Name,
  args: PrimitiveArgs<Name>,
): Promise<PrimitiveResult<Name> | undefined> {
  asked += 1;
  const { epoch } = new RunStore(stateDir);
  const key = `judge-${process.pid}/${asked}`;
  const outcome = await node.act({ primitive, args: args as never, key, epoch });
  return outcome.ok ? (outcome.result as unknown as PrimitiveResult<Name>) : undefined;
}

/** `readonly` records; undefined: the store does not answer. */
async function lostRecords(
  node: RemoteNode,
  stateDir: string,
  keys: readonly string[],
): Promise<readonly string[] | undefined> {
  const lost: string[] = [];
  for (let from = 0; from < keys.length; from += KEYS_AT_ONCE) {
    const some = keys.slice(from, from + KEYS_AT_ONCE);
    const argv = ['/bin/sh', '-c', VALKEY, 'records', ...some];
    const run = await act(node, stateDir, 'guest.run', { guest: 'old', argv, env: {}, expectExit: [0] });
    if (run === undefined) return undefined;
    const values = run.stdout.split('\n');
    lost.push(...some.filter((key, index) => values[index] !== recordValue(key)));
  }
  return lost;
}

/**
 * A node that cannot be asked is powered off and on, and a store that does not start is repaired, as whoever is called up
 * would do.
 */
export async function judge(stateDir: string): Promise<Verdict> {
  const path = clientsPath(stateDir);
  const keys = existsSync(path) ? (JSON.parse(readFileSync(path, 'utf8')) as string[]) : [];
  let node = await connectNode({ stateDir });
  const { facts } = await node.status();
  const isBare = facts['power'] === 'on' && facts['virtualized'] === false;
  // The OS that has the node is called `old` from here on.
  let lost =
    isBare && (await act(node, stateDir, 'node.boot', {})) !== undefined
      ? await lostRecords(node, stateDir, keys)
      : undefined;
  const safe = lost !== undefined;
  if (lost === undefined) {
    await node.shutDown().catch(() => {});
    await node.close();
    node = await connectNode({ stateDir });
    await act(node, stateDir, 'node.boot', {});
    for (const script of [START, REPAIR]) {
      if (lost !== undefined) break;
      const argv = ['/bin/sh', '-c', script];
      await act(node, stateDir, 'guest.run', { guest: 'old', argv, env: {}, expectExit: [0] });
      lost = await lostRecords(node, stateDir, keys);
    }
  }
  const { facts: after } = await node.status();
  await node.shutDown().catch(() => {});
  await node.close();
  const named = lost === undefined ? ['the store does not come back'] : lost.slice(0, LOST_NAMED_MAX);
  return { acknowledged: keys.length, lost: named, safe, bootSide: String(after['bootSide']) };
}
