/**
 * Derives what is derived: the step kinds in schemas/playbook.schema.json from the step table, the types in
 * src/engine/generated from the schemas, and the validator as plain code, so that no run pays for compiling a schema.
 * `--check` writes nothing and fails where a file is out of date.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { relative } from 'node:path';
import { generate } from './generate/artifacts.ts';

const root = `${import.meta.dirname}/..`;
const stale: string[] = [];
for (const { path, text } of await generate(root)) {
  let present = '';
  try {
    present = readFileSync(path, 'utf8');
  } catch {
    // A file that does not exist yet is out of date.
  }
  if (present === text) continue;
  stale.push(relative(root, path));
  if (!process.argv.includes('--check')) writeFileSync(path, text);
}
if (stale.length > 0)
  console.log(`${process.argv.includes('--check') ? 'out of date' : 'written'}: ${stale.join(', ')}`);
if (stale.length > 0 && process.argv.includes('--check')) process.exitCode = 1;
