/** `mvctl image build|list|lock`: the disks of a server. */
import { fileURLToPath } from 'node:url';
import { Command, Option } from 'commander';
import { EXIT } from '../engine/exit-codes.ts';
import {
  type BuildOptions,
  buildImages,
  type CachedImage,
  ImageError,
  listImages,
  loadRecipe,
  lockPathOf,
  updateLock,
} from '../images/index.ts';
import { ImageProgress, type ProgressStream } from './image-progress.ts';

export interface ImageCommandIo {
  readonly stdout: { write(text: string): unknown };
  readonly stderr: ProgressStream;
  now(): Date;
  setExitCode(code: number): void;
}

const DEFAULT_RECIPE = fileURLToPath(new URL('../../recipes/web-server.yaml', import.meta.url));
const SHORT_HASH_CHARS = 12;
const MIB = 0x10_0000;

interface CacheOption {
  readonly cache?: string;
}

interface BuildFlags extends CacheOption {
  readonly disk?: readonly string[];
  readonly installTools?: boolean;
}

interface ListFlags extends CacheOption {
  readonly output: string;
}

/** The command, for `program.addCommand`. */
export function imageCommand(io: ImageCommandIo): Command {
  const image = new Command('image');
  image
    .command('build')
    .description('build the disks of a recipe; what is in the cache already is not built again')
    .argument('[recipe]', 'recipe file', DEFAULT_RECIPE)
    .option('--disk <name...>', 'only the system disk and these upgrade disks')
    .option('--install-tools', 'install missing tools with apt-get (needs root)')
    .option('--cache <folder>', 'cache folder, else $MVCTL_CACHE or ~/.cache/mvctl')
    .addHelpText(
      'after',
      '\nExamples:\n  mvctl image build\n  mvctl image build recipes/web-server.yaml --disk upgrades',
    )
    .action((recipe: string, flags: BuildFlags) => guarded(io, (signal) => build(io, recipe, flags, signal)));
  image
    .command('list')
    .description('list the disks in the cache')
    .option('--cache <folder>', 'cache folder, else $MVCTL_CACHE or ~/.cache/mvctl')
    .addOption(
      new Option('-o, --output <format>', 'form of what is told').choices(['pretty', 'json']).default('pretty'),
    )
    .addHelpText('after', '\nExample:\n  mvctl image list --output json')
    .action((flags: ListFlags) => guarded(io, () => list(io, flags)));
  image
    .command('lock')
    .description("ask the archive for the recipe's packages as they are now and write the lock file")
    .argument('[recipe]', 'recipe file', DEFAULT_RECIPE)
    .option('--cache <folder>', 'cache folder, else $MVCTL_CACHE or ~/.cache/mvctl')
    .addHelpText('after', '\nExample:\n  mvctl image lock recipes/web-server.yaml')
    .action((recipe: string, flags: CacheOption) => guarded(io, (signal) => lock(io, recipe, flags, signal)));
  return image;
}

const cacheOf = (flags: CacheOption): Pick<BuildOptions, 'cacheDir'> =>
  flags.cache === undefined ? {} : { cacheDir: flags.cache };

async function build(io: ImageCommandIo, path: string, flags: BuildFlags, signal: AbortSignal): Promise<void> {
  const recipe = loadRecipe(path);
  const progress = new ImageProgress(io.stderr);
  try {
    const images = await buildImages(recipe, {
      ...cacheOf(flags),
      ...(flags.disk === undefined ? {} : { disks: flags.disk.filter((name) => name !== 'system') }),
      installTools: flags.installTools === true,
      onProgress: (event) => progress.update(event),
      signal,
    });
    progress.clear();
    printImages(io, [images.system, ...Object.values(images.disks)]);
    if (images.built.length === 0) progress.say('all disks were in the cache');
  } finally {
    progress.clear();
  }
}

async function list(io: ImageCommandIo, flags: ListFlags): Promise<void> {
  const images = listImages(flags.cache);
  if (flags.output === 'json') io.stdout.write(`${JSON.stringify(images, null, 2)}\n`);
  else printImages(io, images);
}

async function lock(io: ImageCommandIo, path: string, flags: CacheOption, signal: AbortSignal): Promise<void> {
  const recipe = loadRecipe(path);
  const { packages } = await updateLock(recipe, { ...cacheOf(flags), now: io.now(), signal });
  io.stdout.write(`${lockPathOf(recipe)}: ${packages.length} packages\n`);
}

function printImages(io: ImageCommandIo, images: readonly CachedImage[]): void {
  const width = Math.max(0, ...images.map((image) => image.name.length));
  for (const { name, sha256, bytes, path } of images) {
    const size = `${Math.round(bytes / MIB)} MiB`.padStart(9);
    io.stdout.write(`${name.padEnd(width)}  ${sha256.slice(0, SHORT_HASH_CHARS)}  ${size}  ${path}\n`);
  }
}

/** Runs an action that SIGINT and SIGTERM cancel; a known error becomes a message, a hint and an exit code. */
async function guarded(io: ImageCommandIo, action: (signal: AbortSignal) => Promise<void>): Promise<void> {
  const stop = new AbortController();
  const cancel = (): void => stop.abort();
  process.once('SIGINT', cancel).once('SIGTERM', cancel);
  try {
    await action(stop.signal);
  } catch (error) {
    if (!(error instanceof ImageError)) throw error;
    const prefix = error.code === 'recipe-invalid' ? '' : 'mvctl: ';
    io.stderr.write(`${prefix}${error.message}\n${error.hint === undefined ? '' : `  hint: ${error.hint}\n`}`);
    io.setExitCode(exitCodeFor(error));
  } finally {
    process.removeListener('SIGINT', cancel).removeListener('SIGTERM', cancel);
  }
}

function exitCodeFor(error: ImageError): number {
  if (error.code === 'recipe-invalid') return EXIT.invalid.code;
  return error.code === 'cancelled' ? EXIT.interrupted.code : EXIT.images.code;
}
