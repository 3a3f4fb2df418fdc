/**
 * Locked packages → files in the cache, each by its SHA-256: from the cache, from the archive's pool, from the archive of
 * snapshots. apt-helper does the transfer, so the proxies and certificates this computer's apt is configured with hold.
 */
import { existsSync, mkdirSync, renameSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { debPath } from './cache.ts';
import { sha256OfFile } from './digest.ts';
import { ImageError } from './image-error.ts';
import type { LockedPackage } from './lock.ts';
import { runCommand } from './run-command.ts';

/** Keeps every version the archive ever had, under the time it was seen. */
const SNAPSHOT_ARCHIVE = 'https://snapshot.debian.org/archive/debian';
const APT_HELPER = '/usr/lib/apt/apt-helper';
const POLL_MS = 200;
/** Arguments of one program have a limit; a batch stays far below it. */
const BATCH_PACKAGES = 100;

export interface FetchOptions {
  readonly cacheDir: string;
  readonly scratch: string;
  readonly mirror: string;
  readonly archiveTime: string;
  readonly onProgress?: (doneBytes: number, totalBytes: number) => void;
  readonly signal?: AbortSignal;
  /** Another archive of snapshots; for tests. */
  readonly snapshotArchive?: string;
}

/**
 * Throws `package-vanished` (the archive has the version no longer), `archive-unreachable`, or `package-corrupt` (an
 * archive served other bytes than were locked).
 */
export async function fetchPackages(packages: readonly LockedPackage[], options: FetchOptions): Promise<void> {
  const missing = packages.filter((locked) => !isCached(options.cacheDir, locked));
  if (missing.length === 0) return;
  const totalBytes = missing.reduce((sum, locked) => sum + locked.bytes, 0);
  const folder = join(options.scratch, 'fetch');
  mkdirSync(folder, { recursive: true });

  const arrived = (): number =>
    missing.reduce((sum, locked) => sum + Math.min(locked.bytes, sizeNow(options, folder, locked)), 0);
  const timer = setInterval(() => options.onProgress?.(arrived(), totalBytes), POLL_MS);
  try {
    const complaints: string[] = [];
    const snapshot = `${options.snapshotArchive ?? SNAPSHOT_ARCHIVE}/${options.archiveTime}`;
    let left: readonly LockedPackage[] = missing;
    for (const archive of [options.mirror, snapshot]) {
      if (left.length > 0) complaints.push(await fetchFrom(archive, left, folder, options));
      left = left.filter((locked) => !existsSync(debPath(options.cacheDir, locked.sha256)));
    }
    if (left.length > 0) throw failure(left, complaints[0] ?? '', options.mirror);
    options.onProgress?.(totalBytes, totalBytes);
  } finally {
    clearInterval(timer);
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Whole: what a loss of power cut short, or a full disk, is not, and is fetched again. */
function isCached(cacheDir: string, { sha256, bytes }: LockedPackage): boolean {
  const path = debPath(cacheDir, sha256);
  const size = statSync(path, { throwIfNoEntry: false })?.size;
  if (size !== undefined && size !== bytes) rmSync(path);
  return size === bytes;
}

/** Moves into the cache what an archive had and what was right; returns what apt-helper complained about. */
async function fetchFrom(
  archive: string,
  packages: readonly LockedPackage[],
  folder: string,
  options: FetchOptions,
): Promise<string> {
  let complaints = '';
  for (let start = 0; start < packages.length; start += BATCH_PACKAGES) {
    const batch = packages.slice(start, start + BATCH_PACKAGES);
    const args = batch.flatMap((locked) => [
      `${archive}/${locked.path.replaceAll('+', '%2b')}`,
      join(folder, locked.sha256),
      `SHA256:${locked.sha256}`,
    ]);
    const { stderr } = await runCommand(
      APT_HELPER,
      [
        '-o',
        'APT::Sandbox::User=root',
        '-o',
        'Acquire::Retries=2',
        '-o',
        'Acquire::http::Timeout=20',
        'download-file',
        ...args,
      ],
      {
        env: { ...process.env, LC_ALL: 'C.UTF-8' },
        allowStatus: [100],
        ...(options.signal === undefined ? {} : { signal: options.signal }),
      },
    );
    complaints += stderr;
    for (const locked of batch) {
      const file = join(folder, locked.sha256);
      if (!existsSync(file)) continue;
      if ((await sha256OfFile(file)) === locked.sha256) renameSync(file, debPath(options.cacheDir, locked.sha256));
      else rmSync(file);
    }
  }
  return complaints;
}

function sizeNow(options: FetchOptions, folder: string, locked: LockedPackage): number {
  const places = [debPath(options.cacheDir, locked.sha256), join(folder, locked.sha256)];
  for (const path of [...places, join(folder, 'partial', locked.sha256)]) {
    try {
      return statSync(path).size;
    } catch {
      // Not there, or moved just now: the next place has it.
    }
  }
  return 0;
}

function failure(left: readonly LockedPackage[], complaints: string, mirror: string): ImageError {
  const names = left.map((locked) => `${locked.package} ${locked.version}`).join(', ');
  const said = complaints
    .split('\n')
    .filter((line) => line.startsWith('E: ') || line.startsWith('W: '))
    .slice(0, 3)
    .join('\n');
  if (/Hash Sum mismatch|unexpected size/i.test(complaints)) {
    return new ImageError('package-corrupt', `${mirror} serves other bytes than were locked for: ${names}\n${said}`);
  }
  if (/\b(404|410)\b/.test(complaints)) {
    return new ImageError('package-vanished', `vanished from the archive ${mirror}: ${names}`, {
      hint: 'lock update needed: mvctl image lock',
    });
  }
  return new ImageError('archive-unreachable', `cannot fetch from ${mirror}: ${names}\n${said}`, {
    hint: 'set MVCTL_DEBIAN_MIRROR to a Debian archive that can be reached',
  });
}
