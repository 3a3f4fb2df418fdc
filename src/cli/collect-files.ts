/** Files, folders and globs of a command line to files, each once, in the order given and sorted within a pattern. */
import { existsSync, statSync } from 'node:fs';
import { EXIT } from '../engine/exit-codes.ts';
import { FILE_BYTES_MAX } from '../engine/parse/parse-yaml.ts';
import { CommandError } from './command-error.ts';
import { readInput } from './files.ts';

const GLOB = /[*?[\]{}]/;
const IN_FOLDER = '**/*.{yaml,yml}';
/** What tells a file of ours from other YAML in a folder. */
const OURS = /^["']?apiVersion["']?:[ \t]*["']?mvctl\//m;

/** What a file says it is. */
type Kind = 'Playbook' | 'PlaybookTest';

/** Of a folder those of the kind, if one is named. Throws CommandError where something named is not there, or a pattern matches nothing. */
export async function collectFiles(patterns: readonly string[], kind?: Kind): Promise<readonly string[]> {
  const files = new Set<string>();
  for (const pattern of patterns) {
    for (const file of await filesOf(pattern, kind)) files.add(file);
  }
  return [...files];
}

async function filesOf(pattern: string, kind: Kind | undefined): Promise<readonly string[]> {
  if (existsSync(pattern)) return statSync(pattern).isDirectory() ? inFolder(pattern, kind) : [pattern];
  // Reading it says why it cannot be read.
  if (!GLOB.test(pattern)) return [pattern];
  const files = await glob(pattern);
  if (files.length === 0) throw new CommandError(EXIT.usage.code, `no file matches ${pattern}`);
  return files;
}

async function inFolder(folder: string, kind: Kind | undefined): Promise<readonly string[]> {
  const files = await glob(IN_FOLDER, folder);
  const isWanted = kind === undefined ? OURS : new RegExp(`^["']?kind["']?:[ \\t]*["']?${kind}\\b`, 'm');
  const ours = files.filter((file) => {
    const head = headOf(file);
    return OURS.test(head) && isWanted.test(head);
  });
  if (ours.length === 0) {
    const has = `apiVersion: mvctl/v1${kind === undefined ? '' : ` and kind: ${kind}`}`;
    throw new CommandError(EXIT.usage.code, `${folder}: no YAML file in it has ${has}`);
  }
  return ours;
}

const headOf = (file: string): string => Buffer.from(readInput(file, FILE_BYTES_MAX)).toString('latin1');

async function glob(pattern: string, folder = ''): Promise<readonly string[]> {
  const { glob: find } = await import('tinyglobby');
  const found = await find(pattern, { cwd: folder === '' ? '.' : folder, dot: false, expandDirectories: false });
  const prefix = folder === '' ? '' : `${folder.replace(/\/+$/, '')}/`;
  return found.map((file) => `${prefix}${file}`).sort();
}
