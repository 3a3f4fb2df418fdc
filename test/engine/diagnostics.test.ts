import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { CODES, type DiagnosticCode, formatDiagnostic, parseYaml, validatePlaybook } from '../../src/engine/index.ts';

const FOLDER = join(import.meta.dirname, 'diagnostics');
const names = readdirSync(FOLDER)
  .filter((name) => name.endsWith('.yaml'))
  .map((name) => name.replace(/\.yaml$/, ''));

function readFile(path: string): Uint8Array {
  try {
    return readFileSync(join(FOLDER, path));
  } catch {
    // What the system says names the folder of this checkout.
    throw new Error('no such file');
  }
}

/** What `mvctl validate` prints for a playbook of the folder. */
function checkPlaybook(name: string): string {
  const first = CODES[name.slice(0, 'MV0000'.length) as DiagnosticCode].profile;
  const profile = first === 'production' ? first : 'standard';
  const source = parseYaml(`${name}.yaml`, readFileSync(join(FOLDER, `${name}.yaml`)));
  const { diagnostics, texts } = validatePlaybook(source, { profile, readFile });
  return `${diagnostics.map((found) => formatDiagnostic(found, texts.get(found.file))).join('\n\n')}\n`;
}

describe('a mistake is told with code, place and hint', () => {
  // UPDATE_GOLDEN=1 writes the expectations anew; read the difference before you commit it.
  it.each(names)('%s', (name) => {
    const printed = checkPlaybook(name);
    const golden = join(FOLDER, `${name}.out`);
    if (process.env['UPDATE_GOLDEN']) writeFileSync(golden, printed);
    expect(printed).toBe(readFileSync(golden, 'utf8'));
    expect(printed).toMatch(new RegExp(`:\\d+:\\d+: (error|warning) ${name.slice(0, 'MV0000'.length)}: `));
    expect(printed).not.toMatch(/\n\s+at .*:\d+:\d+\)?/);
  });

  it('has an example of every code but those no file can show', () => {
    const shown = new Set(names.map((name) => name.slice(0, 'MV0000'.length)));
    const missing = (Object.keys(CODES) as DiagnosticCode[]).filter((code) => !shown.has(code));
    // MV0004 needs a file of more than a mebibyte, MV0215 comes with the plan, and MV0100 is for keywords
    // that the schema does not use yet.
    expect(missing.sort()).toEqual(['MV0004', 'MV0100', 'MV0215']);
  });
});
