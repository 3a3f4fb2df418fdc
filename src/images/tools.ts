/** Programs that building or locking needs, and the Debian packages they are in. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { ImageError } from './image-error.ts';
import { runCommand } from './run-command.ts';

export type ToolUse = 'build' | 'lock';

interface Tool {
  readonly program: string;
  /** Debian package that has the program. */
  readonly package: string;
  readonly uses: readonly ToolUse[];
}

/** One row each. `apt-helper` is not on the path. */
const TOOLS: readonly Tool[] = [
  { program: 'dpkg-deb', package: 'dpkg', uses: ['build'] },
  { program: 'tar', package: 'tar', uses: ['build'] },
  { program: 'unshare', package: 'util-linux', uses: ['build'] },
  { program: 'mount', package: 'mount', uses: ['build'] },
  { program: 'chroot', package: 'coreutils', uses: ['build'] },
  { program: 'mke2fs', package: 'e2fsprogs', uses: ['build'] },
  { program: 'qemu-riscv64-static', package: 'qemu-user-static', uses: ['build'] },
  { program: '/usr/lib/apt/apt-helper', package: 'apt', uses: ['build'] },
  { program: 'apt-get', package: 'apt', uses: ['lock'] },
  { program: 'gpgv', package: 'gpgv', uses: ['lock'] },
  { program: '/usr/share/keyrings/debian-archive-keyring.gpg', package: 'debian-archive-keyring', uses: ['lock'] },
];

/** Where administrators' programs are, also when a user's path lacks it. */
const SYSTEM_PATH = ['/usr/local/sbin', '/usr/local/bin', '/usr/sbin', '/usr/bin', '/sbin', '/bin'];

/** The search path programs are run with: the caller's, then the system's. */
export const toolPath = (env: NodeJS.ProcessEnv = process.env): string =>
  [...new Set([...(env['PATH'] ?? '').split(':').filter((part) => part !== ''), ...SYSTEM_PATH])].join(':');

/** Full path of a program, or undefined. */
export function findProgram(program: string, path: string = toolPath()): string | undefined {
  if (program.startsWith('/')) return existsSync(program) ? program : undefined;
  return path
    .split(':')
    .map((folder) => join(folder, program))
    .find((candidate) => existsSync(candidate));
}

export interface MissingTool {
  readonly program: string;
  readonly package: string;
}

export function missingTools(uses: readonly ToolUse[] = ['build'], path: string = toolPath()): MissingTool[] {
  return TOOLS.filter((tool) => tool.uses.some((use) => uses.includes(use)))
    .filter((tool) => findProgram(tool.program, path) === undefined)
    .map(({ program, package: name }) => ({ program, package: name }));
}

export interface EnsureToolsOptions {
  readonly uses?: readonly ToolUse[];
  /** Install what is missing with apt-get; needs root. Never done unless asked. */
  readonly install?: boolean;
  readonly onLine?: (line: string) => void;
  readonly signal?: AbortSignal;
  /** Search path; the process's own and the system's if absent. */
  readonly path?: string;
}

/**
 * Finds every tool, or says all that is missing at once. Returns the Debian packages it installed.
 * Throws `tool-missing` with the command that installs them.
 */
export async function ensureTools(options: EnsureToolsOptions = {}): Promise<readonly string[]> {
  const uses = options.uses ?? ['build'];
  const path = options.path ?? toolPath();
  const missing = missingTools(uses, path);
  if (missing.length === 0) return [];
  const packages = [...new Set(missing.map((tool) => tool.package))];
  const command = `apt-get install --no-install-recommends ${packages.join(' ')}`;
  const complaint = (reason: string): ImageError =>
    new ImageError('tool-missing', `missing: ${missing.map((tool) => tool.program).join(', ')}${reason}`, {
      hint: `install the Debian packages with: ${process.getuid?.() === 0 ? '' : 'sudo '}${command}`,
    });
  if (options.install !== true) throw complaint('');
  if (process.getuid?.() !== 0) throw complaint(' (installing them needs root)');

  const run = (args: readonly string[]): Promise<unknown> =>
    runCommand('apt-get', args, {
      env: { ...process.env, PATH: path, DEBIAN_FRONTEND: 'noninteractive', LC_ALL: 'C.UTF-8' },
      ...(options.onLine === undefined ? {} : { onLine: options.onLine }),
      ...(options.signal === undefined ? {} : { signal: options.signal }),
    });
  const install = ['install', '--yes', '--no-install-recommends', '-o', 'DPkg::Lock::Timeout=120', ...packages];
  try {
    await run(install);
  } catch {
    // The lists of packages may be missing or too old to fetch from.
    await run(['update']);
    await run(install);
  }
  if (missingTools(uses, path).length > 0) throw complaint(' even after installing them');
  return packages;
}
