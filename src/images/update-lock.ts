/**
 * Recipe → lock: asks apt, on the archive's signed indices, which packages installing the recipe's would take. apt works
 * in a folder of its own with an empty (then: the system disk's) list of installed packages; nothing is installed.
 */
import { rmSync } from 'node:fs';
import { resolve } from 'node:path';
import { AptFolder, type Install } from './apt-folder.ts';
import { defaultCacheDir, prepareCache, scratchFolder } from './cache.ts';
import { type Lock, type LockedPackage, lockPathOf, packageId, selectionDigest, writeLock } from './lock.ts';
import { archiveMirror } from './mirror.ts';
import { type LoadedRecipe, localPackage } from './recipe.ts';
import { ensureTools } from './tools.ts';

export interface UpdateLockOptions {
  readonly cacheDir?: string;
  readonly lockPath?: string;
  /** The present time: the archive's time in the lock. */
  readonly now: Date;
  readonly signal?: AbortSignal;
  readonly env?: NodeJS.ProcessEnv;
}

/** Writes the lock file and returns what is in it. Throws `package-unresolvable` with what apt says. */
export async function updateLock(recipe: LoadedRecipe, options: UpdateLockOptions): Promise<Lock> {
  await ensureTools({ uses: ['lock'] });
  const cacheDir = resolve(options.cacheDir ?? defaultCacheDir(options.env));
  prepareCache(cacheDir);
  const scratch = scratchFolder(cacheDir);
  try {
    const apt = await AptFolder.create(recipe, scratch, await archiveMirror(recipe, options.env), options.signal);
    const lock = await resolveLock(recipe, apt, options.now);
    writeLock(options.lockPath ?? lockPathOf(recipe), lock);
    return lock;
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

async function resolveLock(recipe: LoadedRecipe, apt: AptFolder, now: Date): Promise<Lock> {
  const packages = new Map<string, LockedPackage>();
  const lockAll = (installs: readonly Install[]): string[] =>
    installs.map((install) => {
      if (localPackage(recipe, install.package) !== undefined) return install.package;
      const locked = apt.locked(install);
      packages.set(packageId(locked), locked);
      return packageId(locked);
    });

  const installs = await apt.simulate(recipe.system.suite, ['?essential', ...recipe.system.packages]);
  const system = lockAll(installs);
  const systemStatus = installs.map((install) => apt.stanza(install));

  const upgrades: Record<string, string[][]> = {};
  for (const disk of recipe.upgrades) {
    const status = new Map(systemStatus.map((stanza) => [stanza.fields['Package'] ?? '', stanza]));
    const stages: string[][] = [];
    for (const stage of disk.stages) {
      apt.setInstalled([...status.values()]);
      const wanted = stage.map((name) =>
        localPackage(recipe, name) === undefined && disk.suite !== undefined ? `${name}/${disk.suite}` : name,
      );
      const added = await apt.simulate(recipe.system.suite, wanted);
      for (const install of added) status.set(install.package, apt.stanza(install));
      stages.push(lockAll(added));
    }
    upgrades[disk.name] = stages;
  }

  const sources: string[] = [];
  for (const { subsetOf } of recipe.localPackages) {
    if (subsetOf !== undefined) sources.push(...lockAll([apt.newest(subsetOf.package, subsetOf.suite)]));
  }
  return {
    apiVersion: 'mvctl/v1',
    kind: 'ImageLock',
    recipe: recipe.name,
    selectionSha256: selectionDigest(recipe),
    archiveTime: now.toISOString().replace(/[-:]|\.\d+/g, ''),
    packages: [...packages.values()].sort((a, b) => (packageId(a) < packageId(b) ? -1 : 1)),
    system,
    upgrades,
    sources,
  };
}
