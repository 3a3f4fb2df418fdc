import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { STARTER } from '../../src/cli/starter-playbook.ts';
import { mutated, randomFrom } from '../../tools/fuzz/mutate.ts';
import { tryFile } from '../../tools/fuzz/try-file.ts';

const FOLDER = join(import.meta.dirname, '../../playbooks');
const names = readdirSync(FOLDER).filter((name) => name.endsWith('.yaml'));
const bases = [STARTER, ...names.map((name) => readFileSync(join(FOLDER, name), 'utf8'))];

/** `node tools/fuzz.ts` tries a hundred thousand. */
const FILES = 400;

it('whatever is in a file, it is read, checked, laid out and planned without an exception', () => {
  let plans = 0;
  for (let number = 0; number < FILES; number++) {
    const file = mutated(bases, randomFrom(number));
    const { plan } = tryFile(file, () => readFileSync(join(FOLDER, names[number % names.length]!)));
    if (plan) plans += 1;
  }
  // Some of them have to make sense, or the later stages see nothing.
  expect(plans).toBeGreaterThan(FILES / 50);
});

it('the same number gives the same file', () => {
  for (const number of [1, 2, 3])
    expect(mutated(bases, randomFrom(number))).toEqual(mutated(bases, randomFrom(number)));
});
