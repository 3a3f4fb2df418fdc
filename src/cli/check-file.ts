/** A file of a command line, checked. Imports what checks it at once: for `validate` every file to load is a millisecond. */
import { readFileSync } from 'node:fs';
import type { Profile } from '../engine/diagnostics/codes.ts';
import { EXIT } from '../engine/exit-codes.ts';
import { parseYaml } from '../engine/parse/parse-yaml.ts';
import { type Checked, validateFile } from '../engine/validate/validate-file.ts';
import { type Validation, validatePlaybook } from '../engine/validate/validate-playbook.ts';
import { CommandError } from './command-error.ts';

/** A file of any kind. Throws CommandError where it cannot be read. */
export const checkFile = (path: string, profile?: Profile): Checked => checkText(path, readContent(path), profile);

export const checkText = (path: string, content: Uint8Array | string, profile?: Profile): Checked =>
  validateFile(parseYaml(path, content), profile ? { profile } : {});

/** A file that has to be a playbook. Throws CommandError where it cannot be read. */
export const checkPlaybook = (path: string): Validation => validatePlaybook(parseYaml(path, readContent(path)));

function readContent(path: string): Uint8Array {
  try {
    return readFileSync(path);
  } catch (error) {
    throw new CommandError(EXIT.usage.code, `cannot read ${path}: ${(error as Error).message}`);
  }
}
