/** Everything that reads a playbook without a node, on one file. What is promised: no exception, a place for each finding. */
import { applyFixes } from '../../src/engine/diagnostics/apply-fixes.ts';
import { formatDiagnostic } from '../../src/engine/diagnostics/frame.ts';
import { renderGithub } from '../../src/engine/diagnostics/render-github.ts';
import { renderSarif } from '../../src/engine/diagnostics/render-sarif.ts';
import { formatYaml } from '../../src/engine/format/format-yaml.ts';
import { makePlan, type Plan, parseYaml, validatePlaybook } from '../../src/engine/index.ts';
import type { FuzzFile } from './mutate.ts';

export interface Tried {
  readonly findings: number;
  readonly plan: Plan | undefined;
}

/** Throws where a promise is broken. `readFile` gives what the file names. */
export function tryFile(file: FuzzFile, readFile: (path: string) => Uint8Array): Tried {
  const source = parseYaml('fuzzed.yaml', file);
  const { diagnostics, suppressed, playbook, texts } = validatePlaybook(source, { profile: 'production', readFile });
  for (const found of diagnostics) {
    const { line, col, endLine, endCol } = found.place;
    const isPlace = line >= 1 && col >= 1 && (endLine > line || (endLine === line && endCol >= col));
    if (!isPlace) throw new Error(`${found.code} has no place: ${JSON.stringify(found.place)}`);
    formatDiagnostic(found, texts.get(found.file));
  }
  renderGithub(diagnostics);
  renderSarif({ diagnostics, suppressed, version: '0' });
  applyFixes(source.text, diagnostics);
  if (source.text.length < FORMAT_CHARS_MAX) formatYaml(source.text);
  const plan = playbook && makePlan(playbook, { vars: {}, readFile }).plan;
  return { findings: diagnostics.length, plan };
}

/** fmt is for files that people write. */
const FORMAT_CHARS_MAX = 20_000;
