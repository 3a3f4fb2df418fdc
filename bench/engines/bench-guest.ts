/** Makes what the engines boot: the programs of bench/guest as the first process of the web server's own kernel. */
import { spawnSync } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { cpioArchive } from './cpio.ts';
import type { BenchGuest, WebServerImage } from './engine.ts';
import { temporaryFolder } from './temporary-folder.ts';

const SOURCES = resolve(import.meta.dirname, '../guest');
const COMPILER = 'riscv64-linux-gnu-gcc';
const COMPILER_FLAGS = ['-O2', '-static', '-march=rv64gc'];
const APPEND = 'console=ttyS0 quiet lsm=capability audit=0 panic=1';
const DISK_MIB = 64;
const MODE = { folder: 0o040755, program: 0o100755, characterDevice: 0o020600 } as const;
/** /dev/console. */
const CONSOLE_DEVICE = { major: 5, minor: 1 } as const;

function runTool(command: string, args: readonly string[]): string {
  const { status, stdout, stderr, error } = spawnSync(command, args, { encoding: 'utf8' });
  if (error !== undefined) throw new Error(`${command}: ${error.message}`);
  if (status !== 0) throw new Error(`${command} ended with ${status}: ${stderr}`);
  return stdout;
}

/** Why the guest cannot be made here; undefined when it can. */
export function missingTool(): string | undefined {
  const tools = [COMPILER, 'debugfs', 'mke2fs'];
  const missing = tools.filter((tool) => spawnSync(tool, [tool === COMPILER ? '--version' : '-V']).error !== undefined);
  return missing.length === 0 ? undefined : `not installed: ${missing.join(', ')}`;
}

/** The kernel and initrd that the image's own boot menu names, as files in `folder`. */
export function extractBoot(image: string, folder: string): WebServerImage {
  const menu = runTool('debugfs', ['-R', 'cat /boot/extlinux/extlinux.conf', image]);
  const value = (keyword: string): string => {
    const found = new RegExp(`^\\s*${keyword}\\s+(.+)$`, 'm').exec(menu)?.[1];
    if (found === undefined) throw new Error(`${image}: expected '${keyword}' in extlinux.conf, found\n${menu}`);
    return found.trim();
  };
  const dump = (path: string, name: string): string => {
    const to = join(folder, name);
    runTool('debugfs', ['-R', `dump ${path} ${to}`, image]);
    return to;
  };
  return {
    image,
    kernel: dump(value('linux'), 'kernel'),
    initrd: dump(value('initrd'), 'initrd'),
    append: value('append'),
  };
}

export function makeBenchGuest(image: string): BenchGuest {
  const folder = temporaryFolder();
  const { kernel } = extractBoot(image, folder);
  const program = join(folder, 'init');
  const sources = readdirSync(SOURCES).filter((name) => name.endsWith('.c'));
  runTool(COMPILER, [...COMPILER_FLAGS, '-o', program, ...sources.map((name) => join(SOURCES, name)), '-lm']);
  const archive = cpioArchive([
    { path: 'dev', mode: MODE.folder },
    { path: 'dev/console', mode: MODE.characterDevice, device: CONSOLE_DEVICE },
    { path: 'init', mode: MODE.program, content: readFileSync(program) },
  ]);
  const initrd = join(folder, 'bench.cpio');
  writeFileSync(initrd, archive);

  const root = join(folder, 'root');
  mkdirSync(join(root, 'boot/extlinux'), { recursive: true });
  writeFileSync(join(root, 'boot/kernel'), readFileSync(kernel));
  writeFileSync(join(root, 'boot/initrd'), archive);
  const menu = `default bench\nlabel bench\nlinux /boot/kernel\ninitrd /boot/initrd\nappend ${APPEND}\n`;
  writeFileSync(join(root, 'boot/extlinux/extlinux.conf'), menu);
  const disk = join(folder, 'disk.ext4');
  runTool('mke2fs', [
    '-q',
    '-F',
    '-t',
    'ext4',
    '-b',
    '4096',
    '-O',
    '^metadata_csum,^64bit,^orphan_file',
    '-d',
    root,
    disk,
    `${DISK_MIB}M`,
  ]);
  return { disk, kernel, initrd, append: APPEND };
}
