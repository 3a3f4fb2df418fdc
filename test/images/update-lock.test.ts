import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { sha256 } from '../../src/images/digest.ts';
import { loadRecipe, lockPathOf, updateLock } from '../../src/images/index.ts';
import type { LoadedRecipe } from '../../src/images/recipe.ts';
import { findProgram } from '../../src/images/tools.ts';
import { SAMPLE_RECIPE, temporaryFolder, writeSample } from './sample-recipe.ts';

const HASH = 'c'.repeat(64);

interface ArchivePackage {
  readonly name: string;
  readonly version: string;
  readonly fields?: string;
}

const SUITES: Readonly<Record<string, readonly ArchivePackage[]>> = {
  trixie: [
    { name: 'base-files', version: '13', fields: 'Essential: yes\nDepends: libc6\n' },
    { name: 'libc6', version: '2.41' },
    { name: 'nginx', version: '1.26', fields: 'Depends: libc6\n' },
  ],
  forky: [
    { name: 'libc6', version: '2.42' },
    { name: 'libpcre', version: '10' },
    { name: 'nginx', version: '1.30', fields: 'Depends: libc6 (>= 2.42), libpcre\n' },
    { name: 'linux-modules', version: '7' },
  ],
};

const stanza = ({ name, version, fields = '' }: ArchivePackage): string =>
  `Package: ${name}\nVersion: ${version}\nArchitecture: riscv64\n${fields}Filename: pool/main/${name}_${version}.deb\n` +
  `Size: 10\nSHA256: ${HASH}\nDescription: ${name}\n`;

const RECIPE = SAMPLE_RECIPE.replace('suites: [trixie]', 'suites: [trixie, forky]')
  .replace('packages: [base-files, sample-hook]', 'packages: [nginx, sample-hook]')
  .replace(
    'system:\n',
    '  - package: modules-subset\n    version: "1"\n    description: a subset\n' +
      '    subsetOf: { package: linux-modules, suite: forky, keep: [a] }\nsystem:\n',
  )
  .replace('stages: [[sample-hook]]', 'suite: forky\n    stages: [[modules-subset], [nginx]]');

describe.skipIf(findProgram('gpg') === undefined)('updateLock', () => {
  const keys = temporaryFolder();
  const keyring = join(keys, 'archive.gpg');
  const gpg = (args: readonly string[], input = ''): string =>
    execFileSync('gpg', ['--homedir', keys, '--batch', '--quiet', '--no-tty', ...args], {
      input,
      encoding: 'utf8',
      stdio: ['pipe', 'pipe', 'ignore'],
    });
  const files = new Map<string, string>();
  let server: Server;
  let mirror: string;

  beforeAll(async () => {
    gpg(['--passphrase', '', '--quick-generate-key', 'archive@example.org', 'ed25519', 'sign']);
    gpg(['--output', keyring, '--export']);
    for (const [suite, packages] of Object.entries(SUITES)) {
      const index = packages.map(stanza).join('\n');
      const path = 'main/binary-riscv64/Packages';
      const release =
        `Origin: Debian\nSuite: ${suite}\nCodename: ${suite}\nArchitectures: riscv64\nComponents: main\n` +
        `Date: Sat, 01 Aug 2026 00:00:00 UTC\nValid-Until: Sun, 02 Aug 2026 00:00:00 UTC\nSHA256:\n ${sha256(index)} ${index.length} ${path}\n`;
      files.set(`/dists/${suite}/InRelease`, gpg(['--clearsign'], release));
      files.set(`/dists/${suite}/${path}`, index);
    }
    server = createServer((request, response) => {
      const body = files.get(request.url ?? '');
      response.writeHead(body === undefined ? 404 : 200).end(body);
    });
    await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
    mirror = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  });
  afterAll(() => {
    server.close();
    // The agent that gpg started for this folder.
    execFileSync('gpgconf', ['--homedir', keys, '--kill', 'all']);
  });

  const lockOf = async (
    text: string,
  ): Promise<{ recipe: LoadedRecipe; lock: Awaited<ReturnType<typeof updateLock>> }> => {
    const recipe = loadRecipe(writeSample(text.replace(/keyring: .*/, `keyring: ${keyring}`)));
    const env = { ...process.env, MVCTL_DEBIAN_MIRROR: mirror };
    const now = new Date('2026-11-23T09:00:00Z');
    return { recipe, lock: await updateLock(recipe, { cacheDir: temporaryFolder(), now, env }) };
  };

  test('locks what the system disk and each stage of an upgrade disk install, from an index that is out of date but signed', async () => {
    const { recipe, lock } = await lockOf(RECIPE);
    expect([...lock.system].sort()).toEqual(['base-files=13', 'libc6=2.41', 'nginx=1.26', 'sample-hook']);
    expect(lock.system.indexOf('libc6=2.41')).toBeLessThan(lock.system.indexOf('nginx=1.26'));
    expect(lock.upgrades['patch']?.[0]).toEqual(['modules-subset']);
    expect([...(lock.upgrades['patch']?.[1] ?? [])].sort()).toEqual(['libc6=2.42', 'libpcre=10', 'nginx=1.30']);
    expect(lock.sources).toEqual(['linux-modules=7']);
    expect(lock.archiveTime).toBe('20261123T090000Z');
    expect(lock.packages.find((locked) => locked.package === 'libpcre')).toEqual({
      ...{
        package: 'libpcre',
        version: '10',
        suite: 'forky',
        path: 'pool/main/libpcre_10.deb',
        bytes: 10,
        sha256: HASH,
      },
    });
    expect(JSON.parse(readFileSync(lockPathOf(recipe), 'utf8'))).toEqual(lock);
  });

  test('a package that no suite has is unresolvable, with what apt says', async () => {
    await expect(lockOf(RECIPE.replace('[nginx, sample-hook]', '[lighttpd, sample-hook]'))).rejects.toMatchObject({
      code: 'package-unresolvable',
      message: expect.stringContaining('lighttpd'),
    });
  });

  test('an index that was changed after it was signed is refused', async () => {
    const path = '/dists/forky/InRelease';
    const signed = files.get(path) ?? '';
    files.set(path, signed.replace('Components: main', 'Components: evil'));
    await expect(lockOf(RECIPE)).rejects.toMatchObject({ code: 'archive-unreachable' });
    files.set(path, signed);
  });
});
