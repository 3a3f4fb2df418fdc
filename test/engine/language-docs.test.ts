import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { dryRun, formatDiagnostic, makePlan, parseYaml, validatePlaybook } from '../../src/engine/index.ts';

const page = readFileSync(join(import.meta.dirname, '../../docs/playbook-language.md'), 'utf8');

interface Example {
  readonly text: string;
  readonly line: number;
}

const examples: readonly Example[] = [...page.matchAll(/```yaml\n([\s\S]*?)```/g)].map(({ 1: text = '', index }) => ({
  text,
  line: page.slice(0, index).split('\n').length + 1,
}));

const kindOf = ({ text }: Example): string => /^kind: (\w+)$/m.exec(text)?.[1] ?? 'part';

/** Files that other examples name: fragments and calendars by their names. */
const files = new Map(
  examples.flatMap((example): [string, string][] => {
    const folder = { Fragment: 'fragments', Calendar: 'calendars' }[kindOf(example)];
    const name = /^name: (.*)$/m.exec(example.text)?.[1];
    return folder === undefined ? [] : [[`${folder}/${name}.yaml`, example.text]];
  }),
);

function readFile(path: string): Uint8Array {
  const text = files.get(path);
  if (text === undefined) throw new Error('no example of that name');
  return new TextEncoder().encode(text);
}

const COMMIT = `  - id: commit
    steps:
      - { id: lastLook, uses: service.check }
      - { id: commit, uses: commit, with: { guest: old } }
`;

/** A part with what is left out around it: some steps, or the end of a playbook. */
function whole(example: Example): string {
  if (kindOf(example) !== 'part') return example.text;
  const head = 'apiVersion: mvctl/v1\nkind: Playbook\nname: example\n';
  const isSteps = example.text.startsWith('- ');
  const indented = example.text.replace(/^(?=.)/gm, '      ');
  return `${head}${isSteps ? `phases:\n  - id: example\n    steps:\n${indented}` : example.text}${COMMIT}`;
}

describe('an example of the language', () => {
  it.each(examples.map((example) => [example.line, example] as const))(
    'at line %i of the page is valid',
    (_, example) => {
      const { diagnostics, texts } = validatePlaybook(parseYaml('example.yaml', whole(example)), { readFile });
      const errors = diagnostics.filter(({ severity }) => severity === 'error');
      expect(errors.map((found) => formatDiagnostic(found, texts.get(found.file))).join('\n')).toBe('');
    },
  );

  const runnable = examples.filter((example) => kindOf(example) === 'part' || kindOf(example) === 'Playbook');

  it.each(runnable.map((example) => [example.line, example] as const))(
    'at line %i of the page can be rehearsed',
    async (_, example) => {
      const { playbook } = validatePlaybook(parseYaml('example.yaml', whole(example)), { readFile });
      const { plan, problems } = makePlan(playbook!, { readFile });
      expect(problems).toEqual([]);
      expect((await dryRun(plan!)).run.outcome).toBe('succeeded');
    },
  );
});
