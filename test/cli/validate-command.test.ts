import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Ajv } from 'ajv';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { validateXML } from 'xmllint-wasm';
import { type PublishedSchema, publishedSchema } from '../published-schemas.ts';
import { runMvctl } from './run-mvctl.ts';

const EXAMPLES = join(import.meta.dirname, '../engine/diagnostics');
const GOLDEN = join(import.meta.dirname, 'golden');

let folder: string;
const home = process.cwd();
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'mvctl-validate-'));
  process.chdir(folder);
});
afterEach(() => {
  process.chdir(home);
  rmSync(folder, { recursive: true, force: true });
});

/** Examples of checks, in the folder. */
function copyExamples(...names: readonly string[]): readonly string[] {
  for (const name of names) cpSync(join(EXAMPLES, `${name}.yaml`), `${name}.yaml`);
  return names.map((name) => `${name}.yaml`);
}

/** The text of a published schema; a test without one is skipped and says why. */
function schemaOrSkip(name: PublishedSchema, skip: (note: string) => void): string {
  const schema = publishedSchema(name);
  if ('missing' in schema) skip(schema.missing);
  return 'text' in schema ? schema.text : '';
}

const MIXED = ['MV0001-unclosed-flow', 'MV0302-virtualize-twice', 'MV0414-apt', 'MV0501-no-reason'] as const;

describe('mvctl validate', () => {
  it('takes files, folders and globs at once, each file once', async () => {
    copyExamples('MV0414-apt', 'MV0412-phase');
    mkdirSync('sub');
    copyExamples('MV0410-passed-over');
    writeFileSync('sub/other.yaml', 'packages: []\n');
    writeFileSync('sub/ours.yml', readFileSync('MV0412-phase.yaml'));
    const { out, exitCode } = await runMvctl(['validate', 'MV0414-apt.yaml', 'sub', 'MV041*.yaml', '-o', 'json']);
    expect((JSON.parse(out) as { file: string }[]).map(({ file }) => file)).toEqual([
      'MV0414-apt.yaml',
      'sub/ours.yml',
      'MV0410-passed-over.yaml',
      'MV0412-phase.yaml',
    ]);
    expect(exitCode).toBe(0);
  });

  it.each([
    ['a file that is not there', 'nowhere.yaml'],
    ['a pattern that matches nothing', 'nowhere/*.yaml'],
  ])('exits with 2 for %s', async (_, pattern) => {
    expect(await runMvctl(['validate', pattern])).toMatchObject({ exitCode: 2 });
  });

  it('exits with 1 for errors, and for warnings when it is strict', async () => {
    const [warning, error] = copyExamples('MV0414-apt', 'MV0302-virtualize-twice');
    expect(await runMvctl(['validate', warning!])).toMatchObject({ exitCode: 0 });
    expect(await runMvctl(['validate', warning!, '--strict'])).toMatchObject({ exitCode: 1 });
    expect(await runMvctl(['validate', error!])).toMatchObject({ exitCode: 1 });
  });

  it('has more to say the stricter the profile is', async () => {
    const [file] = copyExamples('MV0604-description');
    writeFileSync(
      file!,
      `${readFileSync(file!, 'utf8')}`.replace('name: example', 'name: example\nvars: { a: { type: int } }'),
    );
    const codesIn = async (profile: string): Promise<readonly string[]> => {
      const { out } = await runMvctl(['validate', file!, '--profile', profile, '-o', 'json']);
      return (JSON.parse(out) as { code: string }[]).map(({ code }) => code);
    };
    expect(await codesIn('basic')).toEqual([]);
    expect(await codesIn('standard')).toEqual(['MV0211']);
    expect((await codesIn('production')).toSorted()).toEqual(['MV0211', 'MV0604', 'MV0605']);
  });

  it('silences what a comment with a reason names, and nothing else', async () => {
    const [file] = copyExamples('MV0410-passed-over');
    const text = readFileSync(file!, 'utf8');
    writeFileSync(file!, text.replace('continue', 'continue # mvctl-ignore MV0410: watched elsewhere'));
    expect(await runMvctl(['validate', file!, '--strict'])).toMatchObject({ exitCode: 0 });
    writeFileSync(
      file!,
      text.replace('        onFailure', '        # mvctl-ignore MV0410: watched elsewhere\n        onFailure'),
    );
    expect(await runMvctl(['validate', file!, '--strict'])).toMatchObject({ exitCode: 0 });
    writeFileSync(file!, text.replace('continue', 'continue # mvctl-ignore MV0411: watched elsewhere'));
    expect((await runMvctl(['validate', file!])).out).toMatch(/MV0410[\s\S]*MV0502/);
  });

  it('mends what can be mended safely, and leaves the rest', async () => {
    const files = copyExamples(
      'MV0002-tab',
      'MV0402-undo-after-commit',
      'MV0405-one-attempt',
      'MV0208-braces',
      'MV0414-apt',
    );
    await runMvctl(['validate', ...files, '--fix']);
    const { out } = await runMvctl(['validate', ...files, '-o', 'json']);
    const codes = new Set((JSON.parse(out) as { code: string }[]).map(({ code }) => code));
    expect(codes).toContain('MV0414');
    for (const mended of ['MV0002', 'MV0402', 'MV0405', 'MV0208']) expect(codes).not.toContain(mended);
    expect(readFileSync('MV0414-apt.yaml', 'utf8')).toBe(readFileSync(join(EXAMPLES, 'MV0414-apt.yaml'), 'utf8'));
  });

  it('does not take an anchor away that something else refers to', async () => {
    const [file] = copyExamples('MV0405-one-attempt');
    const text = readFileSync(file!, 'utf8')
      .replace('retry: {', 'retry: &again {')
      .replace(/retry:$/m, 'retry: &again');
    expect(text).toContain('&again');
    writeFileSync(file!, text);
    await runMvctl(['validate', file!, '--fix']);
    expect(readFileSync(file!, 'utf8')).toBe(text);
  });

  it('knows a secret from a text about secrets', async () => {
    const [file] = copyExamples('MV0203-secret');
    const text = readFileSync(file!, 'utf8');
    writeFileSync(file!, text.replace('- id: login', '- id: login\n        when: run.id != "secrets"'));
    const { out } = await runMvctl(['validate', file!]);
    expect(out).toContain('MV0203');
    expect(out).not.toContain('MV0207');
  });

  it('mends a file once and for all', async () => {
    const files = copyExamples('MV0402-undo-after-commit', 'MV0208-braces');
    await runMvctl(['validate', ...files, '--fix']);
    const once = files.map((file) => readFileSync(file, 'utf8'));
    const again = await runMvctl(['validate', ...files, '--fix']);
    expect(files.map((file) => readFileSync(file, 'utf8'))).toEqual(once);
    expect(again.err).toBe('');
  });
});

describe('its output', () => {
  // UPDATE_GOLDEN=1 writes the expectations anew; read the difference before you commit it.
  it.each(['pretty', 'json', 'github', 'sarif', 'junit'])('%s is as it was', async (format) => {
    const { out } = await runMvctl(['validate', ...copyExamples(...MIXED), '--output', format]);
    const golden = join(GOLDEN, `validate.${format}`);
    if (process.env['UPDATE_GOLDEN']) writeFileSync(golden, out);
    expect(out).toBe(readFileSync(golden, 'utf8'));
  });

  it('goes to several files in several forms at once', async () => {
    const outputs = ['sarif=reports/a.sarif', 'junit=reports/a.xml', 'github'].flatMap((output) => [
      '--output',
      output,
    ]);
    const { out } = await runMvctl(['validate', ...copyExamples(...MIXED), ...outputs]);
    expect(out).toMatch(/^::error file=/);
    expect(readFileSync('reports/a.sarif', 'utf8')).toContain('"2.1.0"');
    expect(readFileSync('reports/a.xml', 'utf8')).toContain('<testsuites>');
  });

  it('escapes what a workflow command would take for its own', async () => {
    mkdirSync('a,b:c%');
    const file = 'a,b:c%/p.yaml';
    writeFileSync(file, 'apiVersion: mvctl/v1\nkind: "100%\\nmore"\n');
    const { out } = await runMvctl(['validate', file, '-o', 'github']);
    for (const line of out.trimEnd().split('\n')) {
      expect(line).toMatch(
        /^::(error|warning) file=a%2Cb%3Ac%25\/p\.yaml,line=\d+,endLine=\d+,(col=\d+,endColumn=\d+,)?title=MV\d{4}::[^\n\r]+$/,
      );
    }
  });

  it('as SARIF satisfies the published schema, with findings, without, and with silenced ones', async ({ skip }) => {
    const text = schemaOrSkip('sarif-2.1.0.json', skip);
    // What is left says the same in draft 4 and in draft 7.
    const {
      $schema: _,
      id,
      ...schema
    } = JSON.parse(text) as { $schema: string; id: string; [keyword: string]: unknown };
    const validate = new Ajv({ strict: false, validateFormats: false, unicodeRegExp: false }).compile({
      $id: id,
      ...schema,
    });
    const [quiet] = copyExamples('MV0410-passed-over');
    writeFileSync(quiet!, readFileSync(quiet!, 'utf8').replace('continue', 'continue # mvctl-ignore MV0410: watched'));
    for (const files of [copyExamples(...MIXED), [quiet!], ['.']]) {
      const { out } = await runMvctl(['validate', ...files, '-o', 'sarif']);
      validate(JSON.parse(out));
      expect(validate.errors).toBeNull();
    }
    expect(validate({ version: '2.1.0', runs: [{ results: 'none' }] })).toBe(false);
  });

  it('as JUnit satisfies the published schemas of Ant and Jenkins', async ({ skip }) => {
    const ant = schemaOrSkip('ant-junit.xsd', skip);
    const jenkins = schemaOrSkip('jenkins-junit.xsd', skip);
    const isValid = async (contents: string, schema: string): Promise<boolean> =>
      (await validateXML({ xml: [{ fileName: 'checks.xml', contents }], schema: [schema] })).valid;
    const { out } = await runMvctl(['validate', ...copyExamples(...MIXED), '-o', 'junit']);
    expect(await isValid(out, ant)).toBe(true);
    expect(await isValid(out, jenkins)).toBe(true);
    expect(await isValid(out.replaceAll('testcase', 'test'), jenkins)).toBe(false);
    const [quiet] = copyExamples('MV0410-passed-over');
    writeFileSync(
      quiet!,
      readFileSync(quiet!, 'utf8').replace('continue', 'continue # mvctl-ignore MV0410: a < b & c'),
    );
    const withSkipped = await runMvctl(['validate', quiet!, '-o', 'junit']);
    expect(withSkipped.out).toContain('a &lt; b &amp; c');
    expect(await isValid(withSkipped.out, jenkins)).toBe(true);
  });
});
