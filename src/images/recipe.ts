/**
 * An image recipe (schemas/recipe.schema.json): what the disks of a server are made of. Paths are resolved against the
 * folder of the recipe.
 */

/** Files kept of a package of the archive; patterns as in tar, `*` also matches `/`. */
interface PackageSubset {
  readonly package: string;
  readonly suite: string;
  readonly keep: readonly string[];
}

/** A binary package made here and not in the archive. */
export interface LocalPackage {
  readonly package: string;
  readonly version: string;
  readonly description: string;
  readonly depends?: readonly string[];
  readonly provides?: readonly string[];
  readonly conflicts?: readonly string[];
  /** Folder whose files the package installs. */
  readonly tree?: string;
  readonly subsetOf?: PackageSubset;
  /** Maintainer scripts by name; a subset has those of its package. */
  readonly scripts?: Readonly<Record<string, string>>;
}

export interface SystemDisk {
  readonly suite: string;
  readonly label: string;
  readonly sizeMiB: number;
  readonly packages: readonly string[];
  /** Folder of files that are on the disk before the packages are installed. */
  readonly files?: string;
  /** Symbolic links made after the packages are installed: path to target. */
  readonly links?: Readonly<Record<string, string>>;
  readonly remove?: readonly string[];
  readonly services?: { readonly enable?: readonly string[]; readonly mask?: readonly string[] };
}

/** An empty disk: an ext4 file system where it has a label, else nothing but zeros. */
export interface DataDisk {
  readonly name: string;
  readonly label?: string;
  readonly sizeMiB: number;
}

export interface UpgradeDisk {
  readonly name: string;
  /** Suite the packages come from; absent when all are local. */
  readonly suite?: string;
  readonly stages: readonly (readonly string[])[];
}

export interface Recipe {
  readonly apiVersion: 'mvctl/v1';
  readonly kind: 'ImageRecipe';
  readonly name: string;
  readonly architecture: string;
  readonly archive: { readonly mirror: string; readonly keyring: string; readonly suites: readonly string[] };
  /** ISO 8601: every time stamp on the disks. */
  readonly epoch: string;
  readonly localPackages: readonly LocalPackage[];
  readonly system: SystemDisk;
  readonly data: readonly DataDisk[];
  readonly upgrades: readonly UpgradeDisk[];
}

/** A recipe that was checked, and the folder its paths start from. */
export interface LoadedRecipe extends Recipe {
  readonly path: string;
  readonly folder: string;
}

export const epochSeconds = (recipe: Recipe): number => Math.floor(Date.parse(recipe.epoch) / 1000);

export const localPackage = (recipe: Recipe, name: string): LocalPackage | undefined =>
  recipe.localPackages.find((local) => local.package === name);
