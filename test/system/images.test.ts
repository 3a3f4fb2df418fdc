import { execFileSync, spawn } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type BuiltImages, buildImages, defaultCacheDir, loadRecipe } from '../../src/images/index.ts';
import { toolPath } from '../../src/images/tools.ts';

const RECIPE = new URL('../../recipes/web-server.yaml', import.meta.url).pathname;
const IMAGES = new URL('../../src/images/index.ts', import.meta.url).href;
const env = { ...process.env, PATH: toolPath(), LC_ALL: 'C.UTF-8' };

const output = (program: string, ...args: string[]): string =>
  execFileSync(program, args, { env, encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'], maxBuffer: 1 << 28 });
const fileOn = (disk: string, path: string): Buffer =>
  execFileSync('debugfs', ['-R', `cat ${path}`, disk], {
    env,
    stdio: ['ignore', 'pipe', 'ignore'],
    maxBuffer: 1 << 28,
  });
const mounts = (): string[] =>
  readFileSync('/proc/self/mountinfo', 'utf8')
    .split('\n')
    .map((line) => line.split(' ').slice(3, 5).join(' '))
    .sort();
const binfmt = (): string[] => readdirSync('/proc/sys/fs/binfmt_misc');

/** Names and sizes in a cpio archive of the format "newc". */
function cpioNames(archive: Buffer): Map<string, number> {
  const names = new Map<string, number>();
  const align = (offset: number): number => (offset + 3) & ~3;
  for (let at = 0; at < archive.length; ) {
    const field = (index: number): number =>
      Number.parseInt(archive.toString('latin1', at + 6 + index * 8, at + 14 + index * 8), 16);
    expect(archive.toString('latin1', at, at + 6)).toBe('070701');
    const [bytes, nameBytes] = [field(6), field(11)];
    const name = archive.toString('latin1', at + 110, at + 110 + nameBytes - 1);
    if (name === 'TRAILER!!!') return names;
    names.set(name, bytes);
    at = align(align(at + 110 + nameBytes) + bytes);
  }
  throw new Error('a cpio archive ends with TRAILER!!!');
}

describe('the disks of the web server', () => {
  const recipe = loadRecipe(RECIPE);
  let images: BuiltImages;
  let other: string;

  beforeAll(async () => {
    images = await buildImages(recipe);
    other = mkdtempSync(join(tmpdir(), 'mvctl-cache-'));
    mkdirSync(join(other, 'debs'));
    cpSync(join(defaultCacheDir(), 'debs'), join(other, 'debs'), { recursive: true });
  });
  afterAll(() => rmSync(other, { recursive: true, force: true }));

  test('are clean file systems', () => {
    const withFileSystem = [images.system, ...Object.values(images.disks)].filter(({ label }) => label !== '');
    for (const image of withFileSystem) {
      expect(() => output('e2fsck', '-fn', image.path), image.name).not.toThrow();
    }
  });

  test('have a boot entry whose kernel and initrd are on the disk, for the node to find', () => {
    const entry = fileOn(images.system.path, '/boot/extlinux/extlinux.conf').toString();
    const [, kernel = ''] = /^\tlinux (\S+)$/m.exec(entry) ?? [];
    const [, initrd = ''] = /^\tinitrd (\S+)$/m.exec(entry) ?? [];
    expect(entry).toMatch(/^default l0$/m);
    expect(entry).toMatch(/^\tappend root=\/dev\/vda rw .*console=ttyS0/m);
    // The magic number of a RISC-V Linux image at offset 56.
    expect(fileOn(images.system.path, kernel).toString('latin1', 56, 60)).toBe('RSC\x05');
    const names = cpioNames(fileOn(images.system.path, initrd));
    const modules = [...names.keys()].filter((name) => name.endsWith('.ko')).map((name) => name.slice('m/10-'.length));
    expect(modules).toEqual(expect.arrayContaining(['virtio_mmio.ko', 'virtio_blk.ko', 'ext4.ko', 'virtio_net.ko']));
    expect(modules.indexOf('jbd2.ko')).toBeLessThan(modules.indexOf('ext4.ko'));
    expect(names.get('bin/busybox')).toBeGreaterThan(1_000_000);
  });

  test('hold only packages that are installed and configured', () => {
    const status = fileOn(images.system.path, '/var/lib/dpkg/status').toString();
    const states = new Set([...status.matchAll(/^Status: (.*)$/gm)].map((match) => match[1]));
    expect([...states]).toEqual(['install ok installed']);
    expect(status).toMatch(/^Package: nginx$/m);
  });

  test('leave nothing mounted or registered, also when the build is killed, and are the same to the byte when built again', async () => {
    const before = { mounts: mounts(), binfmt: binfmt() };
    const script =
      `const { loadRecipe, buildImages } = await import(${JSON.stringify(IMAGES)});` +
      `await buildImages(loadRecipe(${JSON.stringify(RECIPE)}), { cacheDir: ${JSON.stringify(other)},` +
      ' onProgress: (p) => process.stdout.write(p.step + "\\n") });';
    const killed = spawn(process.execPath, ['--input-type=module', '-e', script], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    await new Promise<void>((reached) => {
      killed.stdout.on('data', (text: Buffer) => {
        if (text.toString().includes('install')) reached();
      });
    });
    killed.kill('SIGKILL');
    await new Promise((gone) => killed.on('close', gone));
    // What the build ran notices at its next word that nobody listens.
    for (let round = 0; round < 100 && builders().length > 0; round++)
      await new Promise((done) => setTimeout(done, 100));
    expect(builders()).toEqual([]);
    expect({ mounts: mounts(), binfmt: binfmt() }).toEqual(before);

    const again = await buildImages(recipe, { cacheDir: other });
    expect(again.built).toContain('system');
    expect(again.system.sha256).toBe(images.system.sha256);
    for (const [name, image] of Object.entries(images.disks)) expect(again.disks[name]?.sha256).toBe(image.sha256);
    expect({ mounts: mounts(), binfmt: binfmt() }).toEqual(before);
    expect(readdirSync(join(other, 'tmp'))).toEqual([]);
  });

  /** Processes of a build in the other cache that are still there. */
  function builders(): string[] {
    return readdirSync('/proc')
      .filter((name) => /^\d+$/.test(name) && existsSync(`/proc/${name}/cmdline`))
      .map((name) => {
        try {
          return readFileSync(`/proc/${name}/cmdline`, 'utf8');
        } catch {
          return '';
        }
      })
      .filter((line) => line.includes(`${other}/tmp/`));
  }
});
