/**
 * YAML file → recipe that was checked against schemas/recipe.schema.json and for what a schema cannot say. Mistakes are
 * collected with their places and thrown together.
 */
import { existsSync, readFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { Ajv, type ErrorObject } from 'ajv';
import { LineCounter, parseDocument } from 'yaml';
import { type RecipeDiagnostic, RecipeError } from './image-error.ts';
import type { LoadedRecipe, Recipe } from './recipe.ts';

type Path = readonly (string | number)[];

const SCHEMA = new URL('../../schemas/recipe.schema.json', import.meta.url);

/** Reads the recipe at `path`. Throws RecipeError with every mistake in it. */
export function loadRecipe(path: string): LoadedRecipe {
  const file = path;
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    throw new RecipeError([{ file, line: 1, col: 1, message: `cannot be read: ${(error as Error).message}` }]);
  }
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false });
  const at = (offset: number, message: string): RecipeDiagnostic => ({ file, ...position(lines, offset), message });
  if (document.errors.length > 0) {
    throw new RecipeError(document.errors.map((error) => at(error.pos[0], error.message)));
  }

  const value: unknown = document.toJS();
  const offsetOf = (where: Path): number => {
    for (let depth = where.length; depth > 0; depth--) {
      const node = document.getIn(where.slice(0, depth), true) as { range?: readonly number[] } | undefined;
      if (node?.range?.[0] !== undefined) return node.range[0];
    }
    return 0;
  };

  const check = new Ajv({ allErrors: true, strict: true }).compile<Recipe>(JSON.parse(readFileSync(SCHEMA, 'utf8')));
  if (!check(value)) {
    throw new RecipeError((check.errors ?? []).map((error) => at(offsetOf(errorPath(error)), describe(error))));
  }
  const folder = dirname(resolve(path));
  const recipe: LoadedRecipe = {
    ...value,
    localPackages: value.localPackages ?? [],
    data: value.data ?? [],
    upgrades: value.upgrades ?? [],
    path: resolve(path),
    folder,
  };
  const findings = [...checkRecipe(recipe)];
  if (findings.length > 0) {
    throw new RecipeError(findings.map((finding) => at(offsetOf(finding.path), finding.message)));
  }
  return recipe;
}

const position = (lines: LineCounter, offset: number): { line: number; col: number } => {
  const { line, col } = lines.linePos(offset);
  return { line: Math.max(line, 1), col: Math.max(col, 1) };
};

function errorPath(error: ErrorObject): Path {
  const path = error.instancePath
    .split('/')
    .slice(1)
    .map((part) => part.replaceAll('~1', '/').replaceAll('~0', '~'))
    .map((part) => (/^\d+$/.test(part) ? Number(part) : part));
  const extra: unknown = error.params['additionalProperty'];
  return typeof extra === 'string' ? [...path, extra] : path;
}

function describe(error: ErrorObject): string {
  const where = error.instancePath === '' ? 'the recipe' : error.instancePath.slice(1).replaceAll('/', '.');
  const extra: unknown = error.params['additionalProperty'];
  if (typeof extra === 'string') return `unknown key "${extra}" in ${where}`;
  const allowed: unknown = error.params['allowedValues'] ?? error.params['allowedValue'];
  return `${where} ${error.message ?? 'is invalid'}${allowed === undefined ? '' : `: ${JSON.stringify(allowed)}`}`;
}

interface Finding {
  readonly path: Path;
  readonly message: string;
}

/** What a schema cannot say: names refer to something, folders exist, names are unique. */
function* checkRecipe(recipe: LoadedRecipe): Generator<Finding> {
  const { archive, system, localPackages, data, upgrades, folder } = recipe;
  const suite = (name: string, path: Path): Finding[] =>
    archive.suites.includes(name) ? [] : [{ path, message: `suite "${name}" is not in archive.suites` }];
  const tree = (name: string | undefined, path: Path): Finding[] =>
    name === undefined || existsSync(resolve(folder, name))
      ? []
      : [{ path, message: `no folder "${name}" in ${folder}` }];

  if (Number.isNaN(Date.parse(recipe.epoch))) yield { path: ['epoch'], message: `"${recipe.epoch}" is not a date` };
  yield* suite(system.suite, ['system', 'suite']);
  yield* tree(system.files, ['system', 'files']);

  const locals = new Set<string>();
  for (const [index, local] of localPackages.entries()) {
    const path = ['localPackages', index];
    if (locals.has(local.package)) yield { path, message: `local package "${local.package}" appears twice` };
    locals.add(local.package);
    yield* tree(local.tree, [...path, 'tree']);
    if (local.subsetOf !== undefined) yield* suite(local.subsetOf.suite, [...path, 'subsetOf', 'suite']);
    if (local.subsetOf !== undefined && local.scripts !== undefined) {
      yield { path: [...path, 'scripts'], message: 'a subset has the maintainer scripts of its package' };
    }
  }

  const names = new Set(['system']);
  for (const [index, disk] of data.entries()) {
    if (names.has(disk.name)) yield { path: ['data', index], message: `disk "${disk.name}" appears twice` };
    names.add(disk.name);
  }
  for (const [index, upgrade] of upgrades.entries()) {
    const path = ['upgrades', index];
    if (names.has(upgrade.name)) yield { path, message: `disk "${upgrade.name}" appears twice` };
    names.add(upgrade.name);
    if (upgrade.suite !== undefined) yield* suite(upgrade.suite, [...path, 'suite']);
    for (const [stage, packages] of upgrade.stages.entries()) {
      for (const [position, name] of packages.entries()) {
        if (upgrade.suite === undefined && !locals.has(name)) {
          const where = [...path, 'stages', stage, position];
          yield { path: where, message: `"${name}" is no local package, and disk "${upgrade.name}" names no suite` };
        }
      }
    }
  }
}
