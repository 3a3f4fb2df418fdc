/** The seam between a command and the emulated node: builds the disks a playbook asks for and connects to its node. */
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { EXIT } from '../engine/exit-codes.ts';
import type { NodePort, PlannedNode } from '../engine/index.ts';
import type { NodeSpec, RemoteNode } from '../node/index.ts';
import { CommandError } from './command-error.ts';
import { ImageProgress } from './image-progress.ts';
import type { CliIo } from './io.ts';
import { makeFolder } from './state-dir-option.ts';

export interface OpenNodeOptions {
  readonly stateDir: string;
  /** Of a new node; one that exists has to have them, where they are given. */
  readonly clock?: 'virtual' | 'realtime' | undefined;
  readonly seed?: number | undefined;
  /** Absent: the node must exist, as for a resume. */
  readonly node?: PlannedNode;
  /** Replaces the image of a disk, by the disk's name. */
  readonly disks?: { readonly [name: string]: string };
}

export interface OpenedNode extends NodePort {
  /** Brings a node that was there before what the run needs; to be called when nobody else works on it. */
  readonly prepare?: () => Promise<void>;
}

/** What a command needs to reach a node; a test brings its own. */
export type OpenNode = (options: OpenNodeOptions, io: CliIo) => Promise<OpenedNode>;

const MIB = 0x10_0000;
const BANK_BYTES_DEFAULT = 512 * MIB;
const HARTS_DEFAULT = 1;
const RECIPES = fileURLToPath(new URL('../../recipes/', import.meta.url));
const DEFAULT_IMAGE = 'web-server';

/** `prepare` rejects with CommandError. Rejects with NodeUnreachable, ImageError or CommandError. */
export async function openNode(options: OpenNodeOptions, io: CliIo): Promise<RemoteNode & OpenedNode> {
  const { connectNode } = await import('../node/index.ts');
  const { stateDir, clock = 'virtual', seed = 1, node } = options;
  if (!node) return connectNode({ stateDir });
  makeFolder(stateDir);
  const { system, disks } = await buildDisks(node, options.disks ?? {}, io);
  const bankMib = (node.bankBytes ?? BANK_BYTES_DEFAULT) / MIB;
  const exists = existsSync(`${stateDir}/node.json`);
  const attached = node.disks.filter((disk) => disk.attached).map(({ name }) => name);
  const harts = (node.harts ?? HARTS_DEFAULT) as NodeSpec['harts'];
  const spec = { bankMib, harts, clock, seed, systemImage: system, images: disks, attached };
  const port = await connectNode({ stateDir, spec });
  const wantedBankMib = node.bankBytes === null ? null : bankMib;
  const wanted = {
    stateDir,
    clock: options.clock,
    seed: options.seed,
    bankMib: wantedBankMib,
    harts: node.harts,
    disks,
  };
  return exists ? { ...port, prepare: () => prepare(port, wanted) } : port;
}

interface Wanted {
  readonly stateDir: string;
  /** Undefined: not asked for. */
  readonly clock: string | undefined;
  readonly seed: number | undefined;
  /** Null: the playbook leaves it to the node. */
  readonly bankMib: number | null;
  readonly harts: number | null;
  readonly disks: { readonly [name: string]: string };
}

/** A node that exists keeps its memory and its OS; disks that a playbook brings along are put in. */
async function prepare(port: RemoteNode, { stateDir, clock, seed, bankMib, harts, disks }: Wanted): Promise<void> {
  const { facts, clock: present } = await port.status();
  for (const [option, wanted, found] of [
    ['--clock', clock, present],
    ['--seed', seed, facts['seed']],
  ] as const) {
    if (wanted === undefined || wanted === found) continue;
    throw new CommandError(EXIT.usage.code, `${option}: expected ${wanted}, found ${found} in the node of ${stateDir}`);
  }
  if (bankMib !== null && facts['bankMib'] !== bankMib) {
    throw new CommandError(
      EXIT.usage.code,
      `node.bank: expected banks of ${bankMib} MiB, found ${facts['bankMib']} MiB in the node of ${stateDir}`,
    );
  }
  if (harts !== null && facts['harts'] !== harts) {
    throw new CommandError(
      EXIT.usage.code,
      `node.harts: expected ${harts}, found ${facts['harts']} in the node of ${stateDir}`,
    );
  }
  for (const [name, image] of Object.entries(disks)) {
    if (await port.insertDisk(name, image)) continue;
    throw new CommandError(
      EXIT.usage.code,
      `node.disks: the node in ${stateDir} has another disk ${name}, and one of its guests uses it`,
    );
  }
}

async function buildDisks(
  node: PlannedNode,
  replaced: { readonly [name: string]: string },
  io: CliIo,
): Promise<{ readonly system: string; readonly disks: { readonly [disk: string]: string } }> {
  const path = `${RECIPES}${node.image ?? DEFAULT_IMAGE}.yaml`;
  if (!existsSync(path)) throw new CommandError(EXIT.images.code, `node.image: there is no recipe ${path}`);
  const { buildImages, loadRecipe } = await import('../images/index.ts');
  const wanted = node.disks.map(({ name, image }) => ({ name, image: replaced[name] ?? image }));
  const progress = new ImageProgress(io.stderr);
  try {
    const built = await buildImages(loadRecipe(path), {
      disks: [...new Set(wanted.map(({ image }) => image))],
      onProgress: (event) => progress.update(event),
    });
    const pathOf = (image: string): string => {
      const found = built.disks[image];
      if (!found) throw new CommandError(EXIT.images.code, `node.disks: the recipe ${path} has no disk ${image}`);
      return found.path;
    };
    return {
      system: built.system.path,
      disks: Object.fromEntries(wanted.map(({ name, image }) => [name, pathOf(image)])),
    };
  } finally {
    progress.clear();
  }
}
