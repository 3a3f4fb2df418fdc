/** The key of a disk: a digest of everything it is made of. Equal keys, equal disks. */
import { resolve } from 'node:path';
import { canonicalJson, digestOfTree, sha256 } from './digest.ts';
import { type Lock, lockedPackage } from './lock.ts';
import { type LoadedRecipe, localPackage } from './recipe.ts';

/** Raised when the same ingredients make another disk than before. */
const BUILDER_VERSION = 1;

export interface DiskIngredients {
  /** `package=version`, or the name of a local package. */
  readonly packages: readonly (readonly string[])[];
  /** Whatever else of the recipe makes the disk. */
  readonly recipe: unknown;
  readonly files: string | undefined;
}

export function imageKey(recipe: LoadedRecipe, lock: Lock, disk: DiskIngredients): string {
  const tree = (folder: string | undefined): string | null =>
    folder === undefined ? null : digestOfTree(resolve(recipe.folder, folder));
  const ingredient = (id: string): unknown => {
    const local = localPackage(recipe, id);
    if (local === undefined) return lockedPackage(lock, id).sha256;
    const source = local.subsetOf && sourceOf(lock, local.subsetOf.package);
    return { local, tree: tree(local.tree), source: source ?? null };
  };
  return sha256(
    canonicalJson({
      builder: BUILDER_VERSION,
      epoch: recipe.epoch,
      name: recipe.name,
      disk: disk.recipe,
      files: tree(disk.files),
      packages: disk.packages.map((stage) => stage.map(ingredient)),
    }),
  );
}

function sourceOf(lock: Lock, name: string): string | undefined {
  const id = lock.sources.find((source) => source.startsWith(`${name}=`));
  return id === undefined ? undefined : lockedPackage(lock, id).sha256;
}
