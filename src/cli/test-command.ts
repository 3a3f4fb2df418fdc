/** `mvctl test`: runs the tests of playbooks on a model of the node, in virtual time. */
import { Command, Option } from 'commander';
import type { Diagnostic } from '../engine/diagnostics/diagnostic.ts';
import { EXIT } from '../engine/exit-codes.ts';
import type { PlaybookTest, Vars } from '../engine/generated/playbook-test.ts';
import type { SourceFile } from '../engine/index.ts';
import type { TestResult } from '../engine/playbook-test/run-test.ts';
import { collectFiles } from './collect-files.ts';
import { CommandError } from './command-error.ts';
import { readInput, writeOutput } from './files.ts';
import type { CliIo } from './io.ts';
import { loadPlan } from './load-playbook.ts';

interface TestFlags {
  readonly output: 'pretty' | 'json' | 'junit';
  readonly junit?: string;
}

interface TestedFile {
  readonly file: string;
  readonly source: SourceFile;
  readonly results: readonly TestResult[];
}

const EXAMPLES = `
Examples:
  mvctl test playbooks/online-os-upgrade.test.yaml
  mvctl test playbooks/*.test.yaml --output junit`;

export function testCommand(io: CliIo): Command {
  return new Command('test')
    .argument('<test...>', 'test files, folders and globs, e.g. playbooks')
    .addOption(
      new Option('-o, --output <format>', 'form of the results').choices(['pretty', 'json', 'junit']).default('pretty'),
    )
    .option('--junit <file>', 'write the results as JUnit XML as well')
    .addHelpText('after', EXAMPLES)
    .action((files: readonly string[], flags: TestFlags) => test(files, flags, io));
}

async function test(files: readonly string[], flags: TestFlags, io: CliIo): Promise<void> {
  const tested: TestedFile[] = [];
  let isWhole = true;
  for (const file of await collectFiles(files, 'PlaybookTest')) {
    try {
      tested.push(await testFile(file, io));
    } catch (error) {
      if (!(error instanceof CommandError) || error.exitCode !== EXIT.invalid.code) throw error;
      // One that has mistakes is told, and no reason to leave out the others.
      io.stderr.write(`mvctl: ${error.message}\n`);
      isWhole = false;
    }
  }
  io.stdout.write(await render(tested, flags.output, io));
  if (flags.junit !== undefined) writeOutput(flags.junit, await render(tested, 'junit', io));
  if (tested.some(({ results }) => results.some(isFailed))) io.setExitCode(EXIT.testsFailed.code);
  else if (!isWhole) io.setExitCode(EXIT.invalid.code);
}

const isFailed = ({ mismatches }: TestResult): boolean => mismatches.length > 0;

async function testFile(file: string, io: CliIo): Promise<TestedFile> {
  const { FILE_BYTES_MAX, parseYaml } = await import('../engine/parse/parse-yaml.ts');
  const { checkTest, readTest } = await import('../engine/playbook-test/read-test.ts');
  const { runTest } = await import('../engine/playbook-test/run-test.ts');
  const source = parseYaml(file, readInput(file, FILE_BYTES_MAX));
  const { test: found, diagnostics } = readTest(source);
  await tell(diagnostics, source, io);
  if (!found) throw new CommandError(EXIT.invalid.code, `${file}: the test has mistakes`);
  const results: TestResult[] = [];
  for (const [index, one] of found.tests.entries()) {
    const plan = await loadPlan(playbookOf(file, found), texts({ ...found.vars, ...one.vars }), io);
    if (index === 0) {
      const findings = checkTest(found, plan).map((finding) => source.locate(finding));
      await tell(findings, source, io);
      if (findings.length > 0) throw new CommandError(EXIT.invalid.code, `${file}: the test has mistakes`);
    }
    results.push(await runTest(plan, one, found.mocks));
  }
  return { file, source, results };
}

const playbookOf = (file: string, { playbook }: PlaybookTest): string => file.replace(/[^/]*$/, '') + playbook;

/** As after --var. */
const texts = (vars: Vars): { [name: string]: string } =>
  Object.fromEntries(
    Object.entries(vars).map(([name, value]) => [name, Array.isArray(value) ? value.join(',') : String(value)]),
  );

async function tell(diagnostics: readonly Diagnostic[], source: SourceFile, io: CliIo): Promise<void> {
  const { formatDiagnostic } = await import('../engine/diagnostics/frame.ts');
  for (const found of diagnostics) io.stderr.write(`${formatDiagnostic(found, source.text)}\n\n`);
}

async function render(tested: readonly TestedFile[], format: TestFlags['output'], io: CliIo): Promise<string> {
  switch (format) {
    case 'json':
      return `${JSON.stringify(
        tested.map(({ file, results }) => ({ file, results })),
        null,
        2,
      )}\n`;
    case 'junit': {
      const { junitXml } = await import('../engine/report/junit-xml.ts');
      const startedAt = new Date(io.wallNow()).toISOString();
      return junitXml(
        tested.map((file) => ({ name: file.file, startedAt, cases: file.results.map((r, i) => caseOf(file, r, i)) })),
      );
    }
    case 'pretty':
      return pretty(tested, io);
  }
}

function caseOf(file: TestedFile, result: TestResult, index: number) {
  const { name, durationMs: timeMs, mismatches } = result;
  const [first] = mismatches;
  const details = linesOf(file, result, index).join('\n');
  return {
    name,
    className: file.file,
    timeMs,
    verdict: first
      ? { kind: 'failure' as const, type: 'expectation', message: first.message, details }
      : { kind: 'passed' as const },
  };
}

/** Each mismatch with the line of the expectation it is about. */
const linesOf = ({ source }: TestedFile, { mismatches }: TestResult, index: number): readonly string[] =>
  mismatches.map(({ pointer, message }) => {
    const { file, place } = source.locate({ code: 'MV0100', message, pointer: ['tests', index, 'expect', ...pointer] });
    return `${file}:${place.line}:${place.col}: ${message}`;
  });

async function pretty(tested: readonly TestedFile[], io: CliIo): Promise<string> {
  const { paint } = await import('../engine/report/paint.ts');
  const { formatMs } = await import('../engine/values/duration.ts');
  const colors = paint(io.isColor);
  const lines: string[] = [];
  for (const file of tested) {
    lines.push(colors.strong(file.file));
    for (const [index, result] of file.results.entries()) {
      const mark = isFailed(result) ? colors.bad('✘') : colors.good('✔');
      lines.push(`  ${mark} ${result.name} ${colors.dim(formatMs(result.durationMs))}`);
      lines.push(...linesOf(file, result, index).map((line) => `      ${line}`));
    }
  }
  const all = tested.flatMap(({ results }) => results);
  const failed = all.filter(isFailed).length;
  lines.push(failed === 0 ? colors.good(`${all.length} passed`) : colors.bad(`${failed} of ${all.length} failed`));
  return `${lines.join('\n')}\n`;
}
