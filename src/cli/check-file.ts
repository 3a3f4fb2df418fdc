/** A file of a command line, checked. Imports what checks it at once: for `validate` every file to load is a millisecond. */
import { readFileSync, statSync } from 'node:fs';
import type { Profile } from '../engine/diagnostics/codes.ts';
import { FILE_BYTES_MAX, parseYaml } from '../engine/parse/parse-yaml.ts';
import { type Validation, validatePlaybook } from '../engine/validate/validate-playbook.ts';
import { readInput } from './files.ts';

/** A file of any kind. Throws CommandError where it cannot be read. */
export const checkFile = (path: string, profile?: Profile): Validation =>
  checkText(path, readInput(path, FILE_BYTES_MAX), profile);

export const checkText = (path: string, content: Uint8Array | string, profile?: Profile): Validation =>
  validatePlaybook(parseYaml(path, content), { readFile: besides(path), ...(profile ? { profile } : {}) });

/** Reads what a playbook names, by its path relative to the playbook. */
export function besides(path: string): (file: string) => Uint8Array {
  const folder = path.replace(/[^/]*$/, '');
  return (file) => {
    // A device or a pipe that a playbook names may never end.
    if (!statSync(folder + file).isFile()) throw new Error(`${folder}${file} is no regular file`);
    return readFileSync(folder + file);
  };
}
