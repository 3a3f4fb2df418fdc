/**
 * Runs a folder of riscv-tests programs on the hart: pass or fail per test, a summary by group.
 *
 * The programs come from the riscv-tests project, built for -p and -v; they are not part of this project.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Command, CommanderError, InvalidArgumentError, Option } from 'commander';
import type { Translate } from '../src/machine/door.ts';
import { describeResult, type NamedResult, runNamedTest, summarize, testNames } from './riscv-tests/suite.ts';
import { traceTest } from './riscv-tests/trace.ts';

const EXIT = { allPassed: 0, someFailed: 1, usage: 2 } as const;

interface Options {
  readonly filter: string;
  readonly json?: true;
  readonly trace?: number;
  readonly translate: Translate;
}

function positiveInteger(text: string): number {
  if (!/^[1-9][0-9]{0,5}$/.test(text))
    throw new InvalidArgumentError(`expected a number from 1 to 999999, found ${text}`);
  return Number(text);
}

function runSuite(folder: string, options: Options): number {
  const print = (line: string): void => {
    if (options.json !== true) console.log(line);
  };
  let names: string[];
  try {
    names = testNames(folder, options.filter);
  } catch (error) {
    console.error(`riscv-tests: cannot read ${folder}: ${error instanceof Error ? error.message : String(error)}`);
    return EXIT.usage;
  }
  if (names.length === 0) {
    console.error(`riscv-tests: expected ELF files matching ${options.filter} in ${folder}, found none`);
    return EXIT.usage;
  }
  const results: NamedResult[] = [];
  for (const name of names) {
    const result = runNamedTest(folder, name, { translate: options.translate });
    results.push(result);
    print(describeResult(result));
    if (result.verdict.outcome !== 'passed' && options.trace !== undefined) {
      for (const line of traceTest(readFileSync(join(folder, name)), options.trace)) print(`      ${line}`);
    }
  }
  return report(results, options, print);
}

function report(results: readonly NamedResult[], options: Options, print: (line: string) => void): number {
  const groups = summarize(results);
  const passed = groups.reduce((sum, group) => sum + group.passed, 0);
  const failed = results.length - passed;
  print('');
  for (const group of groups) print(`${group.group.padEnd(12)} ${group.passed} passed, ${group.failed} failed`);
  print(`${passed} passed, ${failed} failed`);
  if (options.json === true) console.log(JSON.stringify({ passed, failed, groups, tests: results }, undefined, 2));
  return failed === 0 ? EXIT.allPassed : EXIT.someFailed;
}

const command = new Command('riscv-tests')
  .description('Runs a folder of riscv-tests programs (ELF files) on the hart.')
  .argument('<folder>', 'folder that holds the programs, e.g. rv64ui-p-add')
  .option('--filter <glob>', 'only programs whose name matches', '*')
  .addOption(new Option('--translate <what>', 'what is translated').choices(['hot', 'all', 'off']).default('hot'))
  .option('--json', 'print one JSON document instead of lines')
  .option('--trace <count>', 'on failure, print the last instructions through the disassembler', positiveInteger)
  .addHelpText('after', '\nExit code: 0 all passed, 1 some failed, 2 wrong usage or no programs.')
  .exitOverride();

try {
  command.parse();
  process.exitCode = runSuite(command.args[0] as string, command.opts<Options>());
} catch (error) {
  if (!(error instanceof CommanderError)) throw error;
  process.exitCode = error.exitCode === 0 ? EXIT.allPassed : EXIT.usage;
}
