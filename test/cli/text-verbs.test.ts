import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createMachine } from 'xstate';
import { VERBS } from '../../src/cli/verbs.ts';
import { CODES } from '../../src/engine/diagnostics/codes.ts';
import { EXIT } from '../../src/engine/exit-codes.ts';
import { formatYaml } from '../../src/engine/format/format-yaml.ts';
import { runMvctl } from './run-mvctl.ts';

const ROOT = join(import.meta.dirname, '../..');
const ONLINE = join(ROOT, 'playbooks/online-os-upgrade.yaml');

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'mvctl-text-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

describe('mvctl fmt', () => {
  const untidy = [
    '\ufeff# what it is for\r',
    'kind:   Playbook # first',
    'list:',
    '- {a: 1,b: "two" }',
    '',
    '',
    '-    [ x,   y ] # second',
    'text: |',
    '    one',
    '      two',
    '# last',
  ].join('\n');

  it('lays a file out, keeps comments and values, and changes nothing the second time', async () => {
    const file = join(folder, 'p.yaml');
    writeFileSync(file, untidy);
    expect(await runMvctl(['fmt', file, '--check'])).toMatchObject({ exitCode: 1 });
    expect(readFileSync(file, 'utf8')).toBe(untidy);
    await runMvctl(['fmt', file]);
    expect(readFileSync(file, 'utf8')).toMatchInlineSnapshot(`
      "# what it is for
      kind: Playbook # first
      list:
        - { a: 1, b: "two" }

        - [x, y] # second
      text: |
        one
          two

      # last
      "
    `);
    expect(await runMvctl(['fmt', file, '--check'])).toMatchObject({ exitCode: 0, out: '' });
  });

  it('leaves a file with mistakes alone, and says so', async () => {
    const file = join(folder, 'p.yaml');
    writeFileSync(file, 'a: [1\n');
    expect(await runMvctl(['fmt', file])).toMatchObject({ exitCode: 1, err: expect.stringContaining('left as it is') });
    expect(readFileSync(file, 'utf8')).toBe('a: [1\n');
  });

  it('says the same again of what it made, for every example there is', () => {
    const examples = join(ROOT, 'test/engine/diagnostics');
    let formattedCount = 0;
    for (const name of readdirSync(examples).filter((each) => each.endsWith('.yaml'))) {
      const once = formatYaml(readFileSync(join(examples, name), 'utf8'));
      if (!once.ok) continue;
      formattedCount += 1;
      expect(formatYaml(once.text)).toEqual(once);
    }
    expect(formattedCount).toBeGreaterThan(80);
  });
});

describe('mvctl init', () => {
  it('writes a playbook that satisfies the strictest profile, laid out, and runs on the model', async () => {
    const file = join(folder, 'new.yaml');
    expect(await runMvctl(['init', file])).toMatchObject({ exitCode: 0 });
    expect(await runMvctl(['validate', file, '--profile', 'production', '--strict'])).toMatchObject({ exitCode: 0 });
    expect(await runMvctl(['fmt', file, '--check'])).toMatchObject({ exitCode: 0 });
    expect(await runMvctl(['apply', file, '--dry-run'])).toMatchObject({ exitCode: 0 });
  });

  it('writes over nothing unless it is told to', async () => {
    const file = join(folder, 'new.yaml');
    writeFileSync(file, 'mine');
    expect(await runMvctl(['init', file])).toMatchObject({ exitCode: 2 });
    expect(readFileSync(file, 'utf8')).toBe('mine');
    expect(await runMvctl(['init', file, '--force'])).toMatchObject({ exitCode: 0 });
  });
});

describe('mvctl explain', () => {
  it('knows every check and every exit code', async () => {
    for (const [code, { title }] of Object.entries(CODES)) {
      expect((await runMvctl(['explain', code.toLowerCase()])).out).toContain(title);
    }
    for (const { code, means } of Object.values(EXIT)) {
      expect((await runMvctl(['explain', String(code)])).out).toContain(means);
    }
  });

  it('suggests one where there is none', async () => {
    expect(await runMvctl(['explain', 'MV0O11'])).toMatchObject({
      exitCode: 2,
      err: expect.stringContaining('did you mean'),
    });
  });
});

describe('mvctl completion', () => {
  it('gives bash every verb, and the options of one', async () => {
    const { out } = await runMvctl(['completion', 'bash']);
    const complete = (words: string, index: number): readonly string[] => {
      const script = `source /dev/stdin <<'EOF'\n${out}\nEOF\nCOMP_WORDS=(${words}) COMP_CWORD=${index}; _mvctl; printf '%s\\n' "\${COMPREPLY[@]}"`;
      return execFileSync('bash', ['-c', script], { encoding: 'utf8', cwd: folder }).trim().split('\n');
    };
    expect(complete('mvctl ""', 1)).toEqual([...VERBS.map(({ name }) => name), '--help', '--version']);
    expect(complete('mvctl validate --f', 2)).toEqual(['--fix']);
    expect(complete('mvctl image b', 2)).toEqual(['build']);
    writeFileSync(join(folder, 'my playbook.yaml'), '');
    expect(complete('mvctl validate my', 2)).toEqual(['my playbook.yaml']);
  });

  it.each(['zsh', 'fish'])('gives %s every verb with what it is for', async (shell) => {
    const { out } = await runMvctl(['completion', shell]);
    for (const { name, summary } of VERBS) {
      expect(out).toContain(name);
      expect(out).toContain(summary.replaceAll("'", "'\\''"));
    }
  });
});

describe('mvctl graph', () => {
  it('draws every phase and step, in Mermaid and in DOT', async () => {
    for (const format of ['mermaid', 'dot']) {
      const { out } = await runMvctl(['graph', ONLINE, '--output', format]);
      for (const id of ['before', 'slipUnder', 'moveService', 'commit', 'slipOut']) expect(out).toContain(id);
      expect(out).toContain('Take the Microvisor out again');
      expect(out.match(/-\.->|style=dashed/g)).toHaveLength(1);
    }
  });

  it('gives a statechart that XState reads', async () => {
    const { out } = await runMvctl(['graph', ONLINE, '--output', 'xstate']);
    const machine = createMachine(JSON.parse(out) as Parameters<typeof createMachine>[0]);
    expect(Object.keys(machine.root.states)).toEqual(
      expect.arrayContaining(['powering-on', 'beginning', 'rollback', 'finished']),
    );
  });
});
