/**
 * What a node is made of and what it must remember without power: written to node.json in its state directory. The
 * boot side and the release of the Microvisor play the part of the board's non-volatile memory: they change at commit and at
 * no other time, so that a loss of power before the commit brings the old ones back.
 */
import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { NodeUnreachable } from '../engine/port.ts';
import type { MachineOptions, Side } from '../machine/index.ts';
import type { ResumePoint } from '../microvisor/index.ts';

/** Where the overlays of a node are, in the folder of its configuration. */
export const OVERLAYS = 'disks';

/** A disk of the node: a read-only base image and an overlay with what was written. */
export interface DiskConfig {
  readonly base: string;
  readonly overlay: string;
}

/** What a node remembers of an OS that it keeps asleep. */
export interface StandbyConfig {
  /** The disk of the node that is its system disk; its memory is a file. */
  readonly disk: string;
  /** Of its memory, without chunks of zeros (memory-image.ts). */
  readonly bytes: number;
  readonly side: Side;
  readonly bankMib: number;
  /** Its own; empty where it shared one. */
  readonly harts: readonly number[];
  /** The commit of the run that kept it; null: that run has not committed. */
  readonly of: string | null;
  readonly resume: ResumePoint;
}

export interface NodeConfig {
  readonly version: 1;
  readonly bankMib: number;
  readonly harts: MachineOptions['harts'];
  readonly clock: 'virtual' | 'realtime';
  /** Moves every random choice of the node: entropy device, probe phase, TCP sequence numbers. */
  readonly seed: number;
  readonly disks: Readonly<Record<string, DiskConfig>>;
  /** The disk each side boots from. */
  readonly systemDisk: Readonly<Partial<Record<Side, string>>>;
  /** Disks that the OS that boots has besides its own. */
  readonly attachedDisks?: readonly string[];
  readonly bootSide: Side;
  /** The act that made it that, written with it: whether a commit took effect is known whatever was lost. */
  readonly committed?: { readonly key: string; readonly atNs: number };
  /** By name. */
  readonly standbys?: Readonly<Record<string, StandbyConfig>>;
  /** Name of the release of the Microvisor that is in firmware memory; absent: the one a node is delivered with. */
  readonly microvisor?: string;
  /** How often the node has been powered on. */
  readonly powerOns: number;
  /** Local TCP port that leads to the service (realtime clock); 0 lets the system choose. */
  readonly forwardPort?: number;
}

/** Of the node in the folder of the file, wherever that has been moved. @throws NodeUnreachable */
export function readNodeConfig(path: string): NodeConfig | undefined {
  if (!existsSync(path)) return undefined;
  const config = parse(path);
  if (config.version !== 1)
    throw new NodeUnreachable(`${path}: expected version 1 of a node's configuration, found ${config.version}`);
  const folder = join(dirname(path), OVERLAYS);
  const disks = Object.entries(config.disks ?? {}).map(([name, { base, overlay }]): [string, DiskConfig] => [
    name,
    { base, overlay: join(folder, basename(overlay)) },
  ]);
  // Nodes of earlier releases had one hart and did not say so.
  return { ...config, disks: Object.fromEntries(disks), harts: config.harts ?? 1 };
}

function parse(path: string): NodeConfig {
  try {
    return JSON.parse(readFileSync(path, 'utf8')) as NodeConfig;
  } catch (error) {
    throw new NodeUnreachable(`${path} is damaged: ${(error as Error).message}`);
  }
}

/** Atomic: a loss of power leaves the old file or the new one. */
export function writeNodeConfig(path: string, config: NodeConfig): void {
  const building = `${path}.${process.pid}.new`;
  writeFileSync(building, `${JSON.stringify(config, null, 2)}\n`);
  renameSync(building, path);
}
