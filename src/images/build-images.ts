/**
 * Recipe and lock → disks in the cache. A disk that is there already costs nothing; a package that is there already is not
 * fetched, so versions that vanished from the archive do not matter.
 */
import { mkdirSync, renameSync, rmSync, statSync } from 'node:fs';
import { resolve } from 'node:path';
import {
  type CachedImage,
  cachedImage,
  debPath,
  defaultCacheDir,
  imagePath,
  makeImageFolder,
  prepareCache,
  recordImage,
  scratchFolder,
} from './cache.ts';
import { writeDataDisk } from './data-disk.ts';
import { sha256OfFile } from './digest.ts';
import { normaliseExt4 } from './ext4-times.ts';
import { fetchPackages } from './fetch-packages.ts';
import { ImageError } from './image-error.ts';
import { imageKey } from './image-key.ts';
import { buildLocalPackage } from './local-package.ts';
import { type Lock, lockedPackage, lockPathOf, readLock } from './lock.ts';
import { archiveMirror } from './mirror.ts';
import { type DataDisk, epochSeconds, type LoadedRecipe, localPackage, type UpgradeDisk } from './recipe.ts';
import type { RootStep } from './root-job.ts';
import { runRootJob } from './run-root-job.ts';
import { ensureTools, findProgram, missingTools } from './tools.ts';
import { type DiskPackage, UPGRADE_LABEL, writeUpgradeDisk } from './upgrade-disk.ts';

export interface BuildProgress {
  /** Disk the step belongs to: `system`, the name of another disk, or `packages` for what all are made of. */
  readonly disk: string;
  readonly step: 'tools' | 'fetch' | RootStep;
  readonly done: number;
  readonly total: number;
  readonly unit: 'bytes' | 'packages' | 'disks';
}

export interface BuildOptions {
  readonly cacheDir?: string;
  /** `<recipe>.lock.json` beside the recipe if absent. */
  readonly lockPath?: string;
  /** Names of the disks to build beside the system disk; all if absent. */
  readonly disks?: readonly string[];
  /** Install missing tools with apt-get if something has to be built; needs root. */
  readonly installTools?: boolean;
  readonly onProgress?: (progress: BuildProgress) => void;
  readonly signal?: AbortSignal;
  readonly env?: NodeJS.ProcessEnv;
}

export interface BuiltImages {
  readonly system: CachedImage;
  /** Every other disk by its name. */
  readonly disks: Readonly<Record<string, CachedImage>>;
  /** Names of the disks that had to be built; the others were in the cache. */
  readonly built: readonly string[];
}

/** Throws ImageError; nothing is mounted, registered or left in the cache's tmp afterwards. */
export async function buildImages(recipe: LoadedRecipe, options: BuildOptions = {}): Promise<BuiltImages> {
  const cacheDir = resolve(options.cacheDir ?? defaultCacheDir(options.env));
  const lock = readLock(options.lockPath ?? lockPathOf(recipe), recipe);
  const disks = plannedDisks(recipe, lock, options.disks);
  const toBuild = disks.filter((disk) => cachedImage(cacheDir, disk.key) === undefined);
  if (toBuild.length > 0) {
    await toolsFor(options);
    prepareCache(cacheDir);
    const scratch = scratchFolder(cacheDir);
    try {
      await fetchFor(recipe, lock, toBuild, cacheDir, scratch, options);
      for (const disk of toBuild) await buildDisk(recipe, lock, disk, { cacheDir, scratch, options });
    } finally {
      rmSync(scratch, { recursive: true, force: true });
    }
  }
  const images = new Map(disks.map((disk) => [disk.name, cachedImage(cacheDir, disk.key)]));
  const image = (name: string): CachedImage => {
    const found = images.get(name);
    if (found === undefined) throw new ImageError('command-failed', `disk ${name} is not in the cache after its build`);
    return found;
  };
  return {
    system: image('system'),
    disks: Object.fromEntries(disks.filter(({ kind }) => kind !== 'system').map(({ name }) => [name, image(name)])),
    built: toBuild.map((disk) => disk.name),
  };
}

async function toolsFor(options: BuildOptions): Promise<void> {
  const total = new Set(missingTools().map((tool) => tool.package)).size;
  const install = options.installTools === true;
  if (install && total > 0) options.onProgress?.({ disk: 'packages', step: 'tools', done: 0, total, unit: 'packages' });
  await ensureTools({ install, ...(options.signal === undefined ? {} : { signal: options.signal }) });
}

interface PlannedDisk {
  readonly kind: 'system' | 'upgrade' | 'data';
  readonly name: string;
  readonly label: string;
  readonly key: string;
  readonly stages: readonly (readonly string[])[];
  /** Absent: as large as what is on it. */
  readonly sizeMiB?: number;
}

function plannedDisks(recipe: LoadedRecipe, lock: Lock, wanted: readonly string[] | undefined): PlannedDisk[] {
  const others = [
    ...recipe.upgrades.map((disk) => plannedUpgrade(recipe, lock, disk)),
    ...recipe.data.map((disk) => plannedData(recipe, lock, disk)),
  ];
  const unknown = wanted?.find((name) => !others.some((disk) => disk.name === name));
  if (unknown !== undefined) {
    const names = others.map((disk) => disk.name).join(', ');
    throw new ImageError('recipe-invalid', `${recipe.path} has no disk "${unknown}"; it has: ${names}`);
  }
  return [plannedSystem(recipe, lock), ...others.filter((disk) => wanted === undefined || wanted.includes(disk.name))];
}

function plannedSystem(recipe: LoadedRecipe, lock: Lock): PlannedDisk {
  const { files, ...system } = recipe.system;
  const key = imageKey(recipe, lock, { packages: [lock.system], recipe: system, files });
  const { label, sizeMiB } = system;
  return { kind: 'system', name: 'system', label, key, stages: [lock.system], sizeMiB };
}

function plannedUpgrade(recipe: LoadedRecipe, lock: Lock, upgrade: UpgradeDisk): PlannedDisk {
  const stages = lock.upgrades[upgrade.name] ?? [];
  const key = imageKey(recipe, lock, { packages: stages, recipe: upgrade, files: undefined });
  return { kind: 'upgrade', name: upgrade.name, label: UPGRADE_LABEL, key, stages };
}

function plannedData(recipe: LoadedRecipe, lock: Lock, data: DataDisk): PlannedDisk {
  const key = imageKey(recipe, lock, { packages: [], recipe: data, files: undefined });
  return { kind: 'data', name: data.name, label: data.label ?? '', key, stages: [], sizeMiB: data.sizeMiB };
}

async function fetchFor(
  recipe: LoadedRecipe,
  lock: Lock,
  disks: readonly PlannedDisk[],
  cacheDir: string,
  scratch: string,
  options: BuildOptions,
): Promise<void> {
  const ids = new Set<string>();
  for (const id of disks.flatMap((disk) => disk.stages.flat())) {
    const local = localPackage(recipe, id);
    if (local === undefined) ids.add(id);
    else if (local.subsetOf !== undefined) ids.add(sourceId(lock, local.subsetOf.package));
  }
  await fetchPackages(
    [...ids].map((id) => lockedPackage(lock, id)),
    {
      cacheDir,
      scratch,
      mirror: await archiveMirror(recipe, options.env),
      archiveTime: lock.archiveTime,
      onProgress: (done, total) =>
        options.onProgress?.({ disk: 'packages', step: 'fetch', done, total, unit: 'bytes' }),
      ...(options.signal === undefined ? {} : { signal: options.signal }),
    },
  );
}

function sourceId(lock: Lock, name: string): string {
  const id = lock.sources.find((source) => source.startsWith(`${name}=`));
  if (id === undefined) throw new ImageError('lock-invalid', `the lock has no source package ${name}`);
  return id;
}

interface BuildContext {
  readonly cacheDir: string;
  readonly scratch: string;
  readonly options: BuildOptions;
}

async function buildDisk(recipe: LoadedRecipe, lock: Lock, disk: PlannedDisk, context: BuildContext): Promise<void> {
  const { cacheDir, scratch } = context;
  const target = `${scratch}/${disk.name}.ext4`;
  await writeDisk(recipe, lock, disk, target, context);
  if (disk.label !== '') {
    normaliseExt4(target, { epochSeconds: epochSeconds(recipe), ownedByRoot: disk.kind !== 'system' });
  }
  const manifest = {
    name: `${recipe.name}/${disk.name}`,
    key: disk.key,
    sha256: await sha256OfFile(target),
    bytes: statSync(target).size,
    label: disk.label,
  };
  makeImageFolder(cacheDir, disk.key);
  renameSync(target, imagePath(cacheDir, disk.key));
  recordImage(cacheDir, manifest);
}

async function writeDisk(
  recipe: LoadedRecipe,
  lock: Lock,
  disk: PlannedDisk,
  target: string,
  context: BuildContext,
): Promise<void> {
  const { scratch, options } = context;
  const stop = options.signal === undefined ? {} : { signal: options.signal };
  const identity = `${recipe.name}/${disk.name}`;
  const stages: DiskPackage[][] = [];
  for (const stage of disk.stages) {
    const packages: DiskPackage[] = [];
    for (const id of stage) packages.push(await diskPackage(recipe, lock, id, context));
    stages.push(packages);
  }
  if (disk.kind === 'system') {
    const qemu = findProgram('qemu-riscv64-static') ?? 'qemu-riscv64-static';
    const files = recipe.system.files === undefined ? null : resolve(recipe.folder, recipe.system.files);
    const debs = stages.flat().map((deb) => deb.path);
    const workFolder = `${scratch}/root`;
    mkdirSync(workFolder);
    const job = { qemu, workFolder, debs, system: recipe.system, files, identity, target };
    await runRootJob(
      { ...job, epochSeconds: epochSeconds(recipe) },
      (step, done, total) => {
        const unit = step === 'write' ? 'disks' : 'packages';
        options.onProgress?.({ disk: disk.name, step, done, total, unit });
      },
      options.signal,
    );
    return;
  }
  options.onProgress?.({ disk: disk.name, step: 'write', done: 0, total: 1, unit: 'disks' });
  if (disk.kind === 'upgrade') await writeUpgradeDisk(stages, { identity, target, scratch, ...stop });
  else await writeDataDisk({ label: disk.label, sizeMiB: disk.sizeMiB ?? 0, identity, target, scratch, ...stop });
  options.onProgress?.({ disk: disk.name, step: 'write', done: 1, total: 1, unit: 'disks' });
}

async function diskPackage(recipe: LoadedRecipe, lock: Lock, id: string, context: BuildContext): Promise<DiskPackage> {
  const { cacheDir, scratch, options } = context;
  const local = localPackage(recipe, id);
  if (local === undefined) {
    const locked = lockedPackage(lock, id);
    return { path: debPath(cacheDir, locked.sha256), fileName: locked.path.slice(locked.path.lastIndexOf('/') + 1) };
  }
  const architecture = local.subsetOf === undefined ? 'all' : recipe.architecture;
  const fileName = `${local.package}_${local.version}_${architecture}.deb`;
  const target = `${scratch}/${fileName}`;
  const source = local.subsetOf && lockedPackage(lock, sourceId(lock, local.subsetOf.package));
  await buildLocalPackage(recipe, local, {
    scratch,
    target,
    ...(source === undefined ? {} : { sourceDeb: debPath(cacheDir, source.sha256) }),
    ...(options.signal === undefined ? {} : { signal: options.signal }),
  });
  return { path: target, fileName };
}
