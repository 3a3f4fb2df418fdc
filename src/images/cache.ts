/**
 * The cache: what was fetched and built, under its own hash, so that nothing in it is ever out of date.
 *
 *     debs/<sha256>.deb           packages of the archive
 *     images/<key>/image.ext4     a disk, beside it image.json
 *     tmp/<pid>-<n>/              of a build that runs; of one that was killed until the next build
 */
import {
  accessSync,
  chmodSync,
  constants,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { ImageError } from './image-error.ts';

export interface ImageManifest {
  /** Recipe and disk: `web-server/system`. */
  readonly name: string;
  /** Digest of everything the disk is made of. */
  readonly key: string;
  readonly sha256: string;
  readonly bytes: number;
  readonly label: string;
}

export interface CachedImage extends ImageManifest {
  readonly path: string;
}

/** `$MVCTL_CACHE`, else `$XDG_CACHE_HOME/mvctl`, else `~/.cache/mvctl`. */
export function defaultCacheDir(env: NodeJS.ProcessEnv = process.env): string {
  if (env['MVCTL_CACHE']) return env['MVCTL_CACHE'];
  return join(env['XDG_CACHE_HOME'] || join(homedir(), '.cache'), 'mvctl');
}

export const debPath = (cacheDir: string, sha256: string): string => join(cacheDir, 'debs', `${sha256}.deb`);

const imageFolder = (cacheDir: string, key: string): string => join(cacheDir, 'images', key);

export const imagePath = (cacheDir: string, key: string): string => join(imageFolder(cacheDir, key), 'image.ext4');

/** The image with that key if it is in the cache, whole: what a loss of power cut short is not. */
export function cachedImage(cacheDir: string, key: string): CachedImage | undefined {
  const path = imagePath(cacheDir, key);
  const manifest = readManifest(join(imageFolder(cacheDir, key), 'image.json'));
  if (manifest === undefined || statSync(path, { throwIfNoEntry: false })?.size !== manifest.bytes) return undefined;
  return { ...manifest, path };
}

function readManifest(path: string): ImageManifest | undefined {
  if (!existsSync(path)) return undefined;
  try {
    return JSON.parse(readFileSync(path, 'utf8')) as ImageManifest;
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

export function listImages(cacheDir: string = defaultCacheDir()): CachedImage[] {
  const folder = join(cacheDir, 'images');
  if (!existsSync(folder)) return [];
  return readdirSync(folder)
    .map((key) => cachedImage(cacheDir, key))
    .filter((image) => image !== undefined)
    .sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : a.key < b.key ? -1 : 1));
}

/** Writes the manifest, last of all: only then the image is in the cache. Images are shared, so nobody may write them. */
export function recordImage(cacheDir: string, manifest: ImageManifest): CachedImage {
  chmodSync(imagePath(cacheDir, manifest.key), 0o444);
  writeFileSync(join(imageFolder(cacheDir, manifest.key), 'image.json'), `${JSON.stringify(manifest, null, 2)}\n`);
  return { ...manifest, path: imagePath(cacheDir, manifest.key) };
}

/** Throws `cache-unusable`. */
export function prepareCache(cacheDir: string): void {
  try {
    for (const name of ['debs', 'images', 'tmp']) {
      const folder = join(cacheDir, name);
      mkdirSync(folder, { recursive: true });
      // One that is there already may be somebody else's, or on a disk that is read-only.
      accessSync(folder, constants.W_OK);
    }
  } catch (cause) {
    throw new ImageError('cache-unusable', `cannot use the cache ${cacheDir}: ${(cause as Error).message}`, {
      cause,
      hint: 'set MVCTL_CACHE to a folder that can be written',
    });
  }
}

let scratchCount = 0;

/** A folder of this process; what killed processes left behind is removed first. */
export function scratchFolder(cacheDir: string): string {
  const folder = join(cacheDir, 'tmp');
  for (const name of readdirSync(folder)) {
    if (!isAlive(Number(name.split('-')[0]))) rmSync(join(folder, name), { recursive: true, force: true });
  }
  const scratch = join(folder, `${process.pid}-${scratchCount++}`);
  rmSync(scratch, { recursive: true, force: true });
  mkdirSync(scratch);
  return scratch;
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

/** Makes the folder an image is moved into. */
export function makeImageFolder(cacheDir: string, key: string): void {
  rmSync(imageFolder(cacheDir, key), { recursive: true, force: true });
  mkdirSync(imageFolder(cacheDir, key), { recursive: true });
}
