/** A folder of riscv-tests as a list of results, and the results as groups: `rv64ui-p-add` is in group `rv64ui-p`. */
import { readdirSync, readFileSync } from 'node:fs';
import { join, matchesGlob } from 'node:path';
import { isElf } from './elf64.ts';
import { type RunOptions, runTest, type TestResult } from './run-test.ts';

export interface NamedResult extends TestResult {
  readonly name: string;
}

export interface GroupSummary {
  readonly group: string;
  readonly passed: number;
  readonly failed: number;
}

/** Names of the ELF files in `folder` that match `glob`, sorted. Throws as `readdirSync` does. */
export function testNames(folder: string, glob = '*'): string[] {
  return readdirSync(folder, { withFileTypes: true })
    .filter((entry) => entry.isFile() && matchesGlob(entry.name, glob))
    .map((entry) => entry.name)
    .filter((name) => isElf(readFileSync(join(folder, name))))
    .sort();
}

export const runNamedTest = (folder: string, name: string, options: RunOptions = {}): NamedResult => ({
  name,
  ...runTest(readFileSync(join(folder, name)), options),
});

export const groupOf = (name: string): string => name.split('-').slice(0, 2).join('-');

export function summarize(results: readonly NamedResult[]): GroupSummary[] {
  const groups = Map.groupBy(results, (result) => groupOf(result.name));
  return [...groups].map(([group, members]) => {
    const passed = members.filter((member) => member.verdict.outcome === 'passed').length;
    return { group, passed, failed: members.length - passed };
  });
}

/** One line: what became of a test. */
export function describeResult({ name, verdict, instructions }: NamedResult): string {
  switch (verdict.outcome) {
    case 'passed':
      return `pass  ${name} (${instructions} instructions)`;
    case 'failed':
      return `FAIL  ${name}: case ${verdict.failedCase} (${instructions} instructions)`;
    default:
      return `FAIL  ${name}: ${verdict.outcome}: ${verdict.reason} (${instructions} instructions)`;
  }
}
