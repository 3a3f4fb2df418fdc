/**
 * Packages → ext4 image of a root file system, in a private namespace. The road of debootstrap, with the slow parts taken
 * out of the emulation: data is decompressed natively and handed to the emulated dpkg as plain tar.
 *
 * 1. unpack: essential packages are extracted so that dpkg can run; 2. install: dpkg unpacks everything;
 * 3. configure: dpkg configures everything, maintainer scripts run under qemu-user; 4. write: mke2fs.
 */
import {
  chmodSync,
  cpSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { enableRiscv } from './binfmt.ts';
import { writePlainDeb } from './deb-archive.ts';
import { essentialClosure, parseShown, SHOW_FORMAT } from './essential-packages.ts';
import { mke2fsArguments } from './ext4-image.ts';
import { ImageError } from './image-error.ts';
import type { RootJob, RootStep } from './root-job.ts';
import { runCommand } from './run-command.ts';

/** Decompression is the native part of the work; more at once than this only costs memory. */
const PARALLEL_UNPACKS = 4;
const TMPFS_SIZE = '2g';
const SYSTEM_INODES = 32768;
const JOURNAL_MIB = 16;
const DEVICES = ['null', 'zero', 'full', 'random', 'urandom'];

/** invoke-rc.d asks it whether a service may start: none may, this is no running system. */
const POLICY_RC_D = '#!/bin/sh\nexit 101\n';

/** What an installation leaves behind that a disk does not need, or that differs from build to build. */
const LEFTOVERS = [
  ...['usr/sbin/policy-rc.d', 'var/cache/ldconfig/aux-cache', 'var/lib/systemd/catalog/database'],
  ...['var/log', 'var/cache/apt', 'var/lib/apt/lists', 'var/cache/debconf/config.dat-old'],
  ...['var/cache/debconf/templates.dat-old', 'var/lib/dpkg/status-old', 'var/lib/dpkg/diversions-old'],
  ...['etc/passwd-', 'etc/group-', 'etc/shadow-', 'etc/gshadow-', 'etc/.pwd.lock', 'dev', 'run', 'tmp'],
];

export type Report = (step: RootStep, done: number, total: number) => void;

export async function buildRootFilesystem(job: RootJob, report: Report): Promise<void> {
  await privateMounts();
  await enableRiscv(job.qemu);
  await runCommand('mount', ['-t', 'tmpfs', '-o', `size=${TMPFS_SIZE},mode=755`, 'tmpfs', job.workFolder]);
  const root = join(job.workFolder, 'root');
  const archives = join(root, 'mv-archives');
  mkdirSync(archives, { recursive: true });

  await unpack(job, root, archives, report);
  await enterableRoot(root);
  await install(job, root, report);
  await finish(job, root, archives);
  report('write', 0, 1);
  const options = {
    label: job.system.label,
    sizeMiB: job.system.sizeMiB,
    inodes: SYSTEM_INODES,
    journalMiB: JOURNAL_MIB,
  };
  await runCommand('mke2fs', mke2fsArguments({ ...options, identity: job.identity }, root, job.target));
  report('write', 1, 1);
}

/** Nothing mounted from here on is seen outside; /proc is that of the process namespace. */
async function privateMounts(): Promise<void> {
  try {
    await runCommand('mount', ['--make-rprivate', '/']);
    await runCommand('mount', ['-t', 'proc', 'proc', '/proc']);
  } catch (cause) {
    throw new ImageError('privilege-missing', 'cannot mount /proc in a private namespace', {
      cause,
      hint: 'a container that hides parts of /proc forbids it: run the container privileged',
    });
  }
}

/** Plain copies of all packages, and the essential ones extracted. */
async function unpack(job: RootJob, root: string, archives: string, report: Report): Promise<void> {
  const { stdout } = await runCommand('sh', ['-c', SHOW_ALL, 'sh', SHOW_FORMAT, ...job.debs]);
  const shown = stdout.trimEnd().split('\n').map(parseShown);
  const essential = essentialClosure(shown);

  let done = 0;
  const queue = job.debs.map((deb, index) => ({ deb, index }));
  const worker = async (): Promise<void> => {
    for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
      await writePlainDeb(next.deb, join(archives, archiveName(next.index)));
      report('unpack', ++done, job.debs.length);
    }
  };
  await Promise.all(Array.from({ length: PARALLEL_UNPACKS }, worker));

  // base-files has these links in its data; extracted after another package they would be folders.
  for (const name of ['bin', 'lib', 'sbin']) {
    mkdirSync(join(root, 'usr', name), { recursive: true });
    symlinkSync(`usr/${name}`, join(root, name));
  }
  const excludes = pathExcludes(job.files);
  for (const [index, fields] of shown.entries()) {
    if (!essential.has(fields.package)) continue;
    const deb = join(archives, archiveName(index));
    await runCommand('sh', ['-c', EXTRACT, 'sh', deb, root, ...excludes]);
  }
  if (job.files !== null) cpSync(job.files, root, { recursive: true, verbatimSymlinks: true });
  ownFiles(root, job.files ?? '');
}

const SHOW_ALL = 'format=$1; shift; for deb; do dpkg-deb --show --showformat="$format" "$deb" || exit; done';
const EXTRACT =
  'deb=$1; root=$2; shift 2; dpkg-deb --fsys-tarfile "$deb" | tar -C "$root" -xp --keep-directory-symlink --wildcards "$@"';

/** Installation order in the name, so that `*.deb` in a shell keeps it. */
const archiveName = (index: number): string => `${String(index).padStart(4, '0')}.deb`;

/** dpkg's own path-exclude rules, for what is extracted before dpkg can. */
function pathExcludes(files: string | null): string[] {
  if (files === null) return [];
  const folder = join(files, 'etc/dpkg/dpkg.cfg.d');
  try {
    return readdirSync(folder)
      .flatMap((name) => readFileSync(join(folder, name), 'utf8').split('\n'))
      .map((line) => /^path-exclude=(\S+)$/.exec(line)?.[1])
      .filter((pattern) => pattern !== undefined)
      .map((pattern) => `--exclude=.${pattern}`);
  } catch {
    return [];
  }
}

/** Permissions of the copied files as a package would have them, whatever umask the checkout was made with. */
function ownFiles(root: string, files: string): void {
  if (files === '') return;
  const visit = (name: string): void => {
    const path = join(root, name);
    const status = lstatSync(join(files, name));
    if (status.isSymbolicLink()) return;
    if (!status.isDirectory()) {
      chmodSync(path, (status.mode & 0o100) === 0 ? 0o644 : 0o755);
      return;
    }
    if (name !== '') chmodSync(path, 0o755);
    for (const entry of readdirSync(join(files, name))) visit(join(name, entry));
  };
  visit('');
}

/** What programs expect of a root: devices, /proc, dpkg's database, no services that start. */
async function enterableRoot(root: string): Promise<void> {
  for (const name of ['dev', 'proc', 'sys', 'run', 'tmp', 'var/lib/dpkg/info', 'var/lib/dpkg/updates']) {
    mkdirSync(join(root, name), { recursive: true });
  }
  for (const name of ['status', 'available', 'diversions', 'statoverride']) {
    writeFileSync(join(root, 'var/lib/dpkg', name), '');
  }
  for (const name of DEVICES) {
    writeFileSync(join(root, 'dev', name), '');
    await runCommand('mount', ['--bind', `/dev/${name}`, join(root, 'dev', name)]);
  }
  await runCommand('mount', ['-t', 'proc', 'proc', join(root, 'proc')]);
  writeFileSync(join(root, 'usr/sbin/policy-rc.d'), POLICY_RC_D, { mode: 0o755 });
}

async function install(job: RootJob, root: string, report: Report): Promise<void> {
  const env = {
    PATH: '/usr/sbin:/usr/bin:/sbin:/bin',
    HOME: '/root',
    LC_ALL: 'C.UTF-8',
    DEBIAN_FRONTEND: 'noninteractive',
    DEBCONF_NONINTERACTIVE_SEEN: 'true',
    SOURCE_DATE_EPOCH: String(job.epochSeconds),
  };
  const inRoot = (script: string, onLine?: (line: string) => void): Promise<unknown> =>
    runCommand('chroot', [root, '/bin/sh', '-c', script], { env, ...(onLine === undefined ? {} : { onLine }) });
  const count = (step: RootStep, prefix: string): ((line: string) => void) => {
    let done = 0;
    return (line) => {
      if (line.startsWith(prefix)) report(step, Math.min(++done, job.debs.length), job.debs.length);
    };
  };
  // All is unpacked before anything is configured, so dependencies cannot hold yet.
  const unpackAll = 'dpkg --force-unsafe-io --force-depends --unpack /mv-archives/*.deb';
  await inRoot(unpackAll, count('install', 'Unpacking '));
  // The users and the folders that other packages take for granted without saying so.
  await inRoot('dpkg --force-depends --configure base-passwd base-files');
  await inRoot('dpkg --force-unsafe-io --configure --pending', count('configure', 'Setting up '));

  const { services } = job.system;
  const units = (names: readonly string[] | undefined): string => (names ?? []).map((name) => `'${name}'`).join(' ');
  if (services?.enable?.length) await inRoot(`systemctl --quiet enable ${units(services.enable)}`);
  if (services?.mask?.length) await inRoot(`systemctl --quiet mask ${units(services.mask)}`);
}

async function finish(job: RootJob, root: string, archives: string): Promise<void> {
  for (const path of job.system.remove ?? []) rmSync(join(root, path), { recursive: true, force: true });
  for (const [path, target] of Object.entries(job.system.links ?? {})) {
    rmSync(join(root, path), { recursive: true, force: true });
    mkdirSync(dirname(join(root, path)), { recursive: true });
    symlinkSync(target, join(root, path));
  }
  await runCommand('umount', [...DEVICES.map((name) => join(root, 'dev', name)), join(root, 'proc')]);
  rmSync(archives, { recursive: true });
  for (const path of LEFTOVERS) {
    const full = join(root, path);
    // Folders stay, empty but for their folders: some belong to a service's user.
    if (['log', 'apt', 'lists', 'dev', 'run', 'tmp'].includes(basename(path))) removeFilesBelow(full);
    else rmSync(full, { force: true });
  }
  // systemd compares these with /usr: nothing is left to do at the first boot.
  for (const path of ['etc/.updated', 'var/.updated']) writeFileSync(join(root, path), '');
}

function removeFilesBelow(folder: string): void {
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) removeFilesBelow(path);
    else rmSync(path);
  }
}
