import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { debPath, prepareCache } from '../../src/images/cache.ts';
import { sha256 } from '../../src/images/digest.ts';
import { fetchPackages } from '../../src/images/fetch-packages.ts';
import type { LockedPackage } from '../../src/images/lock.ts';
import { temporaryFolder } from './sample-recipe.ts';

const ARCHIVE_TIME = '20261101T000000Z';

/** A Debian archive of the files given, by path; remembers what it was asked for. */
class Archive {
  readonly files = new Map<string, string>();
  readonly requests: string[] = [];
  private readonly server: Server = createServer((request, response) => {
    const path = decodeURIComponent((request.url ?? '').slice(1));
    this.requests.push(path);
    const body = this.files.get(path);
    response.writeHead(body === undefined ? 404 : 200).end(body);
  });

  async listen(): Promise<string> {
    await new Promise<void>((done) => this.server.listen(0, '127.0.0.1', done));
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  close(): void {
    this.server.closeAllConnections();
    this.server.close();
  }
}

const locked = (name: string, content: string): LockedPackage => ({
  package: name,
  version: '1+b1',
  suite: 'trixie',
  path: `pool/main/${name}_1+b1_all.deb`,
  bytes: content.length,
  sha256: sha256(content),
});

describe('fetchPackages', () => {
  let archive: Archive;
  let mirror: string;
  let cacheDir: string;

  beforeEach(async () => {
    archive = new Archive();
    mirror = await archive.listen();
    cacheDir = temporaryFolder();
    prepareCache(cacheDir);
  });
  afterEach(() => archive.close());

  const fetchAll = (packages: readonly LockedPackage[]): Promise<void> => {
    const scratch = join(cacheDir, 'tmp/test');
    mkdirSync(scratch, { recursive: true });
    const snapshotArchive = `${mirror}/snapshot`;
    return fetchPackages(packages, { cacheDir, scratch, mirror, archiveTime: ARCHIVE_TIME, snapshotArchive });
  };

  test('a package comes from the pool and is in the cache under its hash', async () => {
    const apple = locked('apple', 'an apple');
    archive.files.set(apple.path, 'an apple');
    await fetchAll([apple]);
    expect(readFileSync(debPath(cacheDir, apple.sha256), 'utf8')).toBe('an apple');
  });

  test('what is in the cache is not asked for, so an archive that lost it does not matter', async () => {
    const apple = locked('apple', 'an apple');
    writeFileSync(debPath(cacheDir, apple.sha256), 'an apple');
    await fetchAll([apple]);
    expect(archive.requests).toEqual([]);
  });

  test('what was cut short in the cache is fetched again', async () => {
    const apple = locked('apple', 'an apple');
    archive.files.set(apple.path, 'an apple');
    writeFileSync(debPath(cacheDir, apple.sha256), 'an');
    await fetchAll([apple]);
    expect(readFileSync(debPath(cacheDir, apple.sha256), 'utf8')).toBe('an apple');
  });

  test('what the pool lost comes from the snapshot of the time of the lock', async () => {
    const apple = locked('apple', 'an apple');
    archive.files.set(`snapshot/${ARCHIVE_TIME}/${apple.path}`, 'an apple');
    await fetchAll([apple]);
    expect(existsSync(debPath(cacheDir, apple.sha256))).toBe(true);
  });

  test('what no archive has is named, and what there is was fetched all the same', async () => {
    const apple = locked('apple', 'an apple');
    const pear = locked('pear', 'a pear');
    archive.files.set(apple.path, 'an apple');
    await expect(fetchAll([apple, pear])).rejects.toMatchObject({
      code: 'package-vanished',
      message: `vanished from the archive ${mirror}: pear 1+b1`,
      hint: 'lock update needed: mvctl image lock',
    });
    expect(existsSync(debPath(cacheDir, apple.sha256))).toBe(true);
  });

  test('other bytes than were locked never reach the cache', async () => {
    const apple = locked('apple', 'an apple');
    archive.files.set(apple.path, 'a worm!!');
    await expect(fetchAll([apple])).rejects.toMatchObject({ code: 'package-corrupt' });
    expect(existsSync(debPath(cacheDir, apple.sha256))).toBe(false);
  });

  test('an archive that does not answer is unreachable, not a package that vanished', async () => {
    archive.close();
    await expect(fetchAll([locked('apple', 'an apple')])).rejects.toMatchObject({ code: 'archive-unreachable' });
  });
});
