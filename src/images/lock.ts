/**
 * The lock file: which packages of the archive a recipe's disks are made of, to the byte. A locked build fetches these and
 * nothing else, so it needs no index of the archive and trusts no server.
 */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { canonicalJson, sha256 } from './digest.ts';
import { ImageError } from './image-error.ts';
import type { LoadedRecipe, Recipe } from './recipe.ts';

export interface LockedPackage {
  readonly package: string;
  readonly version: string;
  readonly suite: string;
  /** Below the archive: pool/main/... */
  readonly path: string;
  readonly bytes: number;
  readonly sha256: string;
}

export interface Lock {
  readonly apiVersion: 'mvctl/v1';
  readonly kind: 'ImageLock';
  readonly recipe: string;
  /** Digest of what in the recipe decides the packages. Another digest: the lock is stale. */
  readonly selectionSha256: string;
  /** When the archive was looked at: YYYYMMDDTHHMMSSZ, as snapshot.debian.org names its copies. */
  readonly archiveTime: string;
  readonly packages: readonly LockedPackage[];
  /** `package=version` or, for a local package, its name; in the order of installation. */
  readonly system: readonly string[];
  readonly upgrades: Readonly<Record<string, readonly (readonly string[])[]>>;
  /** Packages that subsets are taken from. */
  readonly sources: readonly string[];
}

export const packageId = (locked: { package: string; version: string }): string =>
  `${locked.package}=${locked.version}`;

/** Lock file of the recipe `x.yaml`: `x.lock.json` beside it. */
export const lockPathOf = (recipe: LoadedRecipe): string => recipe.path.replace(/\.ya?ml$/, '.lock.json');

export const selectionDigest = (recipe: Recipe): string =>
  sha256(
    canonicalJson({
      architecture: recipe.architecture,
      suites: recipe.archive.suites,
      system: { suite: recipe.system.suite, packages: recipe.system.packages },
      upgrades: recipe.upgrades,
      local: recipe.localPackages.map(({ package: name, version, depends, provides, conflicts, subsetOf }) => ({
        ...{ name, version, depends, provides, conflicts },
        source: subsetOf === undefined ? undefined : { package: subsetOf.package, suite: subsetOf.suite },
      })),
    }),
  );

const UPDATE_HINT = 'write a new lock with: mvctl image lock';

/** Throws `lock-missing`, `lock-invalid`, or `lock-stale` when the recipe asks for other packages than were locked. */
export function readLock(path: string, recipe: Recipe): Lock {
  if (!existsSync(path)) throw new ImageError('lock-missing', `no lock file ${path}`, { hint: UPDATE_HINT });
  const lock = parseLock(path, readFileSync(path, 'utf8'));
  if (lock.selectionSha256 !== selectionDigest(recipe)) {
    throw new ImageError(
      'lock-stale',
      `${path} was written for another selection of packages than the recipe has now`,
      {
        hint: UPDATE_HINT,
      },
    );
  }
  return lock;
}

function parseLock(path: string, text: string): Lock {
  const bad = (what: string): ImageError => new ImageError('lock-invalid', `${path}: ${what}`, { hint: UPDATE_HINT });
  let lock: Partial<Lock> | null;
  try {
    lock = JSON.parse(text) as Partial<Lock> | null;
  } catch (cause) {
    throw bad(`is not JSON: ${(cause as Error).message}`);
  }
  if (lock?.apiVersion !== 'mvctl/v1' || lock.kind !== 'ImageLock') {
    throw bad('expected apiVersion "mvctl/v1" and kind "ImageLock"');
  }
  if (!Array.isArray(lock.packages) || !Array.isArray(lock.system) || !Array.isArray(lock.sources)) {
    throw bad('expected lists packages, system and sources');
  }
  if (!isTable(lock.upgrades)) throw bad('expected upgrades by the name of their disk');
  for (const locked of lock.packages as readonly (Partial<LockedPackage> | null)[]) {
    if (!isTable(locked)) throw bad(`expected packages, found ${JSON.stringify(locked)}`);
    if (!/^[0-9a-f]{64}$/.test(locked.sha256 ?? '')) throw bad(`package ${locked.package} has no SHA-256`);
    if (!/^pool\/[^\s]+\.deb$/.test(locked.path ?? '') || locked.path?.includes('/../')) {
      throw bad(`package ${locked.package} has no path in the archive's pool`);
    }
    if (!Number.isSafeInteger(locked.bytes)) throw bad(`package ${locked.package} has no size`);
  }
  return lock as Lock;
}

const isTable = <Value>(value: Value): value is Value & object =>
  value !== null && typeof value === 'object' && !Array.isArray(value);

export function writeLock(path: string, lock: Lock): void {
  writeFileSync(path, `${JSON.stringify(lock, null, 2)}\n`);
}

/** The locked package that a disk names. */
export function lockedPackage(lock: Lock, id: string): LockedPackage {
  const found = lock.packages.find((locked) => packageId(locked) === id);
  if (found === undefined) throw new ImageError('lock-invalid', `the lock names ${id} but has no such package`);
  return found;
}
