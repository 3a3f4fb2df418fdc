/** The suite of [riscv-tests], one test per program. RISCV_TESTS names the folder with the ELF files. */
import { describe, expect, test } from 'vitest';
import { describeResult, groupOf, runNamedTest, testNames } from '../../tools/riscv-tests/suite.ts';

const FOLDER = process.env['RISCV_TESTS'];

if (FOLDER === undefined) {
  describe('riscv-tests', () => {
    test.skip('is skipped: RISCV_TESTS names no folder of ELF files (see docs/riscv-tests.md)', () => {});
  });
} else {
  const names = testNames(FOLDER);
  test(`RISCV_TESTS names a folder with test programs: ${FOLDER}`, () => {
    expect(names.length).toBeGreaterThan(0);
  });
  for (const [group, members] of Map.groupBy(names, groupOf)) {
    describe(group, () => {
      test.each(members)('%s passes', (name) => {
        const result = runNamedTest(FOLDER, name);
        expect(result.verdict, describeResult(result)).toEqual({ outcome: 'passed' });
      });
    });
  }
}
