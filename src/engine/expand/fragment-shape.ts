/** The shape of a fragment: its frame by its own schema, its steps by that of the playbook they come to stand in. */
import type { Diagnostic, Finding } from '../diagnostics/diagnostic.ts';
import type { Fragment } from '../generated/fragment.ts';
import type { Step } from '../generated/playbook.ts';
import type { SourceFile } from '../parse/parse-yaml.ts';
import { checkShape } from '../validate/check-schema.ts';
import { isWrittenOut, sampleOf, writtenOut } from './parameters.ts';

export type FragmentShape = Fragment | { readonly diagnostics: readonly Diagnostic[] };

export function checkFragment(source: SourceFile): FragmentShape {
  const frame = checkShape('Fragment', source.data);
  const findings = frame.length > 0 ? frame : checkSteps(source.data as Fragment);
  if (findings.length > 0) return { diagnostics: findings.map((finding) => source.locate(finding)) };
  return source.data as Fragment;
}

/** Steps are checked as those of a playbook, with a value where a parameter stands for one that has to be written out. */
function checkSteps({ steps, params = {} }: Fragment): readonly Finding[] {
  const samples = Object.fromEntries(
    Object.entries(params).flatMap(([name, parameter]) =>
      parameter && isWrittenOut(parameter) ? [[name, String(sampleOf(parameter))] as const] : [],
    ),
  );
  const written = steps.map((step) => writtenOut(step as unknown as Step, samples));
  const playbook = {
    apiVersion: 'mvctl/v1',
    kind: 'Playbook',
    name: 'fragment',
    phases: [{ id: 'fragment', steps: written }],
  };
  return checkShape('Playbook', playbook).map((finding) => ({ ...finding, pointer: finding.pointer.slice(2) }));
}
