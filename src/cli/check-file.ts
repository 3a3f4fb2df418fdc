/** A file of a command line, checked. Imports what checks it at once: for `validate` every file to load is a millisecond. */
import { readFileSync } from 'node:fs';
import type { Profile } from '../engine/diagnostics/codes.ts';
import { EXIT } from '../engine/exit-codes.ts';
import { parseYaml } from '../engine/parse/parse-yaml.ts';
import { type Validation, validatePlaybook } from '../engine/validate/validate-playbook.ts';
import { CommandError } from './command-error.ts';

/** Throws CommandError where the file cannot be read. */
export function checkFile(path: string, profile?: Profile): Validation {
  let content: Uint8Array;
  try {
    content = readFileSync(path);
  } catch (error) {
    throw new CommandError(EXIT.usage.code, `cannot read ${path}: ${(error as Error).message}`);
  }
  return checkText(path, content, profile);
}

export const checkText = (path: string, content: Uint8Array | string, profile?: Profile): Validation =>
  validatePlaybook(parseYaml(path, content), profile ? { profile } : {});
