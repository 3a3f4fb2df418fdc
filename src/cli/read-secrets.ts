/** Values of a playbook's secrets, read when the run begins or goes on. No message tells one. */
import { readFileSync } from 'node:fs';
import { EXIT } from '../engine/exit-codes.ts';
import type { Plan } from '../engine/index.ts';
import { CommandError } from './command-error.ts';
import { why } from './files.ts';

/** Throws CommandError where one is not there. */
export function readSecrets({ secrets }: Plan, env: NodeJS.ProcessEnv): { [name: string]: string } {
  return Object.fromEntries(
    Object.entries(secrets).map(([name, reference]) => [
      name,
      'env' in reference ? fromEnvironment(name, reference.env, env) : fromFile(name, reference.file),
    ]),
  );
}

function fromEnvironment(name: string, variable: string, env: NodeJS.ProcessEnv): string {
  const value = env[variable];
  if (value !== undefined && value !== '') return value;
  throw new CommandError(EXIT.secretMissing.code, `the secret ${name}: expected the environment variable ${variable}`);
}

function fromFile(name: string, path: string): string {
  try {
    return readFileSync(path, 'utf8').replace(/\r?\n$/, '');
  } catch (error) {
    throw new CommandError(EXIT.secretMissing.code, `the secret ${name}: cannot read ${path}: ${why(error)}`);
  }
}
