import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { ensureTools, missingTools } from '../../src/images/index.ts';
import { mirrorFromIndexTargets } from '../../src/images/mirror.ts';
import { subordinateIds } from '../../src/images/private-namespace.ts';
import { findProgram } from '../../src/images/tools.ts';
import { temporaryFolder } from './sample-recipe.ts';

/** A search path with all tools of this computer but one. */
function pathWithout(missing: string): string {
  const folder = join(temporaryFolder(), 'bin');
  mkdirSync(folder);
  for (const name of ['dpkg-deb', 'tar', 'unshare', 'mount', 'chroot', 'mke2fs', 'qemu-riscv64-static']) {
    if (name !== missing) symlinkSync(findProgram(name) ?? '/bin/true', join(folder, name));
  }
  return folder;
}

describe('tools', () => {
  test('a tool that is missing is named together with its Debian package', () => {
    const missing = missingTools(['build'], pathWithout('qemu-riscv64-static'));
    expect(missing).toEqual([{ program: 'qemu-riscv64-static', package: 'qemu-user-static' }]);
  });

  test('the error says which command installs what is missing', async () => {
    await expect(ensureTools({ path: pathWithout('mke2fs') })).rejects.toMatchObject({
      code: 'tool-missing',
      message: 'missing: mke2fs',
      hint: expect.stringContaining('apt-get install --no-install-recommends e2fsprogs'),
    });
  });

  test('nothing is installed when nothing is missing', async () => {
    await expect(ensureTools({ path: pathWithout(''), install: true })).resolves.toEqual([]);
  });
});

describe('the mirror', () => {
  test("is the first archive of this computer's apt that is Debian's, with component main", () => {
    const targets = [
      'https://packages.example/apt main',
      'http://deb.example/debian-security/ main',
      'http://deb.example/debian/ contrib',
      'http://deb.example/debian/ main',
      'http://other.example/debian/ main',
    ];
    expect(mirrorFromIndexTargets(targets.join('\n'))).toBe('http://deb.example/debian');
  });

  test('is unknown where apt has no archive of Debian', () => {
    expect(mirrorFromIndexTargets('https://packages.example/apt main\n')).toBeUndefined();
  });
});

describe('subordinate ids', () => {
  test('are those of the user by name or number, if there are enough', () => {
    const path = join(temporaryFolder(), 'subuid');
    writeFileSync(path, 'eve:100000:1000\neve:200000:65536\n1001:300000:65536\n');
    expect(subordinateIds(path, 'eve', 1000)).toBe(200000);
    expect(subordinateIds(path, 'adam', 1001)).toBe(300000);
    expect(subordinateIds(path, 'adam', 1002)).toBeUndefined();
    expect(subordinateIds('/no/such/file', 'eve', 1000)).toBeUndefined();
  });
});
