/**
 * Packages that are not in the archive, made with dpkg-deb: files of the project, or some files of a package of the
 * archive. Their bytes depend on the recipe only.
 */
import { chmodSync, cpSync, lstatSync, lutimesSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { epochSeconds, type LoadedRecipe, type LocalPackage } from './recipe.ts';
import { runCommand } from './run-command.ts';

export interface LocalPackageOptions {
  readonly scratch: string;
  /** File to write. */
  readonly target: string;
  /** The package of the archive that a subset is taken from. */
  readonly sourceDeb?: string;
  readonly signal?: AbortSignal;
}

const list = (field: string, relations: readonly string[] | undefined): string =>
  relations === undefined || relations.length === 0 ? '' : `${field}: ${relations.join(', ')}\n`;

/** The control file; a package with files of the archive has that architecture, another one none. */
export function controlFile(recipe: LoadedRecipe, local: LocalPackage): string {
  return (
    `Package: ${local.package}\n` +
    `Version: ${local.version}\n` +
    `Architecture: ${local.subsetOf === undefined ? 'all' : recipe.architecture}\n` +
    `Maintainer: ${recipe.name} <root@localhost>\n` +
    list('Depends', local.depends) +
    list('Provides', local.provides) +
    list('Conflicts', local.conflicts) +
    'Section: admin\nPriority: optional\n' +
    `Description: ${local.description}\n`
  );
}

export async function buildLocalPackage(
  recipe: LoadedRecipe,
  local: LocalPackage,
  options: LocalPackageOptions,
): Promise<void> {
  const { scratch, target, sourceDeb } = options;
  const stop = options.signal === undefined ? {} : { signal: options.signal };
  const folder = join(scratch, `local-${local.package}`);
  rmSync(folder, { recursive: true, force: true });
  const debian = join(folder, 'DEBIAN');
  mkdirSync(folder, { recursive: true });
  if (local.tree !== undefined) cpSync(resolve(recipe.folder, local.tree), folder, { recursive: true });
  if (local.subsetOf !== undefined && sourceDeb !== undefined) {
    await runCommand('dpkg-deb', ['--control', sourceDeb, debian], stop);
    for (const name of ['control', 'md5sums', 'conffiles']) rmSync(join(debian, name), { force: true });
    await extractSubset(sourceDeb, local.subsetOf.keep, folder, scratch, options.signal);
  }
  mkdirSync(debian, { recursive: true });
  writeFileSync(join(debian, 'control'), controlFile(recipe, local));
  for (const [name, text] of Object.entries(local.scripts ?? {})) {
    writeFileSync(join(debian, name), text);
    chmodSync(join(debian, name), 0o755);
  }
  const epoch = epochSeconds(recipe);
  normalise(folder, epoch);
  // Uncompressed: the guest that installs it has less to do.
  await runCommand('dpkg-deb', ['--root-owner-group', '-Znone', '--build', folder, target], {
    env: { ...process.env, SOURCE_DATE_EPOCH: String(epoch), LC_ALL: 'C.UTF-8' },
    ...stop,
  });
  rmSync(folder, { recursive: true });
}

async function extractSubset(
  deb: string,
  keep: readonly string[],
  folder: string,
  scratch: string,
  signal: AbortSignal | undefined,
): Promise<void> {
  const stop = signal === undefined ? {} : { signal };
  const tar = join(scratch, 'subset.tar');
  await runCommand('sh', ['-c', 'exec dpkg-deb --fsys-tarfile "$1" >"$2"', 'sh', deb, tar], stop);
  const patterns = keep.map((pattern) => `./${pattern}`);
  await runCommand('tar', ['-C', folder, '--no-same-owner', '-xf', tar, '--wildcards', ...patterns], stop);
  rmSync(tar);
}

/** One time stamp and the usual permissions, whatever umask or clock the checkout was made with. */
function normalise(path: string, epoch: number): void {
  const status = lstatSync(path);
  if (status.isDirectory()) {
    for (const name of readdirSync(path)) normalise(join(path, name), epoch);
    chmodSync(path, 0o755);
  } else if (!status.isSymbolicLink()) {
    chmodSync(path, (status.mode & 0o100) === 0 ? 0o644 : 0o755);
  }
  lutimesSync(path, epoch, epoch);
}
