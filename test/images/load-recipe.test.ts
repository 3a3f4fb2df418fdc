import { describe, expect, test } from 'vitest';
import { loadRecipe, RecipeError } from '../../src/images/index.ts';
import { SAMPLE_RECIPE, writeSample } from './sample-recipe.ts';

const WEB_SERVER = new URL('../../recipes/web-server.yaml', import.meta.url).pathname;

function mistakesIn(text: string): string[] {
  try {
    loadRecipe(writeSample(text));
  } catch (error) {
    if (error instanceof RecipeError) return error.diagnostics.map((d) => `${d.line}:${d.col} ${d.message}`);
    throw error;
  }
  return [];
}

const lineOf = (text: string, part: string): number => text.slice(0, text.indexOf(part)).split('\n').length;

describe('loadRecipe', () => {
  test('the web server is a valid recipe', () => {
    const recipe = loadRecipe(WEB_SERVER);
    expect(recipe.name).toBe('web-server');
    expect(recipe.upgrades.map((disk) => disk.name)).toContain('upgrades');
  });

  test('the sample is a valid recipe', () => {
    expect(mistakesIn(SAMPLE_RECIPE)).toEqual([]);
  });

  const cases: readonly (readonly [title: string, from: string, to: string, at: string, message: RegExp])[] = [
    ['an unknown key', 'epoch:', 'colour: red\nepoch:', 'colour', /unknown key "colour" in the recipe/],
    ['a misspelt key in a part', 'sizeMiB: 256', 'sizeMB: 256', 'sizeMB', /unknown key "sizeMB" in system/],
    ['a disk that is too small', 'sizeMiB: 256', 'sizeMiB: 3', '3\n', /system.sizeMiB must be >= 256/],
    [
      'a wrong kind',
      'kind: ImageRecipe',
      'kind: Playbook',
      'Playbook',
      /kind must be equal to constant: "ImageRecipe"/,
    ],
    ['an unknown architecture', 'riscv64', 'arm64', 'arm64', /architecture must be equal to one of/],
    [
      'a suite that is not in the archive',
      'suite: trixie',
      'suite: sid',
      'sid',
      /suite "sid" is not in archive.suites/,
    ],
    ['a folder that is not there', 'tree: tree', 'tree: missing', 'missing', /no folder "missing"/],
    ['a date that does not exist', '2026-11-01T', '2026-13-41T', '2026-13', /"2026-13-41T00:00:00Z" is not a date/],
    ['a package that no suite can have', '[[sample-hook]]', '[[nginx]]', 'nginx', /"nginx" is no local package/],
    ['a name that is taken', 'name: patch', 'name: system', 'name: system', /disk "system" appears twice/],
    ['malformed YAML', 'suites: [trixie]', 'suites: [trixie', 'epoch', /./],
  ];
  test.each(cases)('%s is reported at its place', (_title, from, to, at, message) => {
    const text = SAMPLE_RECIPE.replace(from, to);
    const mistakes = mistakesIn(text);
    const line = lineOf(text, at);
    expect(
      mistakes.some((mistake) => message.test(mistake) && mistake.startsWith(`${line}:`)),
      mistakes.join('\n'),
    ).toBe(true);
  });

  test('all mistakes are reported at once', () => {
    const text = SAMPLE_RECIPE.replace('sizeMiB: 256', 'sizeMiB: 3').replace(
      'architecture: riscv64',
      'architecture: arm64',
    );
    expect(mistakesIn(text)).toHaveLength(2);
  });

  test('a recipe that is not there is a RecipeError', () => {
    expect(() => loadRecipe('/no/such/recipe.yaml')).toThrow(/no\/such\/recipe.yaml:1:1: cannot be read/);
  });
});
