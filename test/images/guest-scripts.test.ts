import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { findProgram } from '../../src/images/tools.ts';

const RECIPE = new URL('../../recipes/web-server/', import.meta.url).pathname;
const SCRIPT_FOLDERS = [
  'files/usr/local/sbin',
  'initrd/etc/kernel/postinst.d',
  'initrd/etc/kernel/postrm.d',
  'initrd/usr/share/mv-initrd',
];
const scripts = SCRIPT_FOLDERS.flatMap((folder) => readdirSync(join(RECIPE, folder)).map((name) => join(folder, name)));

describe('guest scripts', () => {
  test.each(scripts)('%s is an executable POSIX shell script', (script) => {
    const path = join(RECIPE, script);
    expect(statSync(path).mode & 0o111).toBe(0o111);
    expect(readFileSync(path, 'utf8')).toMatch(/^#!(\/bin\/sh|\/bin\/busybox sh)\n/);
    expect(() => execFileSync('sh', ['-n', path])).not.toThrow();
  });

  test.skipIf(findProgram('shellcheck') === undefined)('shellcheck has nothing to say about them', () => {
    const paths = scripts.map((script) => join(RECIPE, script));
    expect(execFileSync('shellcheck', ['--severity=warning', '--exclude=SC1091', ...paths], { encoding: 'utf8' })).toBe(
      '',
    );
  });

  const commands: readonly (readonly [name: string, args: string[]])[] = [
    ['mv-device', []],
    ['mv-device', ['bind']],
    ['mv-memory', ['grow']],
  ];
  test.each(commands)('%s %j is refused with how it is used', (name, args) => {
    const path = join(RECIPE, 'files/usr/local/sbin', name);
    expect(() => execFileSync('sh', [path, ...args], { encoding: 'utf8', stdio: 'pipe' })).toThrow(
      expect.objectContaining({ status: 2, stderr: expect.stringContaining(`usage: ${name}`) }),
    );
  });
});
