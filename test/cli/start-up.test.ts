/** What `mvctl validate` has to load before it does anything: counted, not timed. `node bench/validate.ts` times it. */
import { execFileSync, spawnSync } from 'node:child_process';
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join, relative } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { bundleLight } from '../../tools/build/bundle-light.ts';
import { ONLINE } from '../engine/model-run.ts';

const ROOT = join(import.meta.dirname, '../..');
/** Bytes of our own code that is read; what it was when the bench met its limit, and a tenth more. */
const OWN_BYTES_MAX = 490_000;
/** Modules of Node.js itself beyond those of a program that says hello. */
const BUILTINS_MAX = 22;
/** What costs milliseconds and has no business in a check of text. */
const HEAVY = [
  'child_process',
  'net',
  'http',
  'https',
  'tls',
  'dgram',
  'crypto',
  'zlib',
  'inspector',
  'readline',
  'wasi',
];

let folder: string;
let parts: readonly string[];
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'mvctl-start-up-'));
  mkdirSync(join(folder, 'package/bin'), { recursive: true });
  for (const file of ['package.json', 'bin/mvctl.js']) cpSync(join(ROOT, file), join(folder, 'package', file));
  parts = await bundleLight(ROOT, join(folder, 'package/dist/light'));
  writeFileSync(join(folder, 'hello.mjs'), "process.stdout.write('hello');");
  const tells = `import fs from 'node:fs';
process.on('exit', () => fs.writeFileSync(process.env.BUILTINS, JSON.stringify(process.moduleLoadList)));
`;
  writeFileSync(join(folder, 'tell-builtins.mjs'), tells);
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** The Node.js releases at hand: this one, and those of the PATH. */
function runtimes(): readonly (readonly [version: string, path: string])[] {
  const paths = (process.env['PATH'] ?? '').split(delimiter).map((directory) => join(directory, 'node'));
  const found = [process.execPath, ...paths.filter((path) => existsSync(path))].map((path) => {
    return [execFileSync(path, ['--version'], { encoding: 'utf8' }).trim(), path] as const;
  });
  return [...new Map(found)];
}

function run(
  runtime: string,
  args: readonly string[],
): { readonly files: readonly string[]; readonly builtins: readonly string[] } {
  const coverage = mkdtempSync(join(folder, 'coverage-'));
  const told = join(coverage, 'builtins');
  execFileSync(runtime, ['--import', pathToFileURL(join(folder, 'tell-builtins.mjs')).href, ...args], {
    env: { PATH: process.env['PATH'], NODE_V8_COVERAGE: coverage, BUILTINS: told, NODE_DISABLE_COMPILE_CACHE: '1' },
  });
  const [report = ''] = readdirSync(coverage).filter((name) => name.startsWith('coverage-'));
  const { result } = JSON.parse(readFileSync(join(coverage, report), 'utf8')) as { result: { url: string }[] };
  const files = result.flatMap(({ url }) => (url.startsWith('file:') ? [fileURLToPath(url)] : []));
  const builtins = (JSON.parse(readFileSync(told, 'utf8')) as string[]).flatMap((name) =>
    name.startsWith('NativeModule ') ? [name.slice('NativeModule '.length)] : [],
  );
  return { files: files.filter((file) => !file.startsWith(folder) || file.includes('/package/')), builtins };
}

describe('mvctl validate', () => {
  it.each(runtimes())(
    'on Node.js %s reads four files of its own and next to nothing of Node.js',
    (_version, runtime) => {
      const hello = run(runtime, [join(folder, 'hello.mjs')]);
      const { files, builtins } = run(runtime, [join(folder, 'package/bin/mvctl.js'), 'validate', ONLINE]);
      expect(files.map((file) => relative(join(folder, 'package'), file)).sort()).toEqual([
        'bin/mvctl.js',
        'dist/light/light-main.js',
        'dist/light/light.js',
        'dist/light/rolldown-runtime.js',
      ]);
      const bytes = files.reduce((sum, file) => sum + statSync(file).size, 0);
      expect(bytes).toBeLessThan(OWN_BYTES_MAX);
      expect(bytes).toBeGreaterThan(OWN_BYTES_MAX / 2);
      const known = new Set(hello.builtins);
      const more = builtins.filter((name) => !known.has(name));
      expect(more.length, more.join()).toBeLessThan(BUILTINS_MAX);
      expect(more.filter((name) => HEAVY.includes(name))).toEqual([]);
    },
  );
});

describe('the launcher', () => {
  const old = runtimes().find(([version]) => Number.parseInt(version.slice(1), 10) < 24);

  it.skipIf(!old)('starts its own Node.js release where the other is too old, in a folder of any name', () => {
    const inside = join(folder, "a b'é%20");
    for (const file of ['bin', 'dist', 'package.json'])
      cpSync(join(folder, 'package', file), join(inside, file), { recursive: true });
    symlinkSync(join(ROOT, 'node_modules'), join(inside, 'node_modules'));
    mkdirSync(join(inside, 'dist/cli'));
    writeFileSync(join(inside, 'dist/cli/main.js'), 'console.log(process.argv.slice(2), process.version)');
    const said = execFileSync(old![1], [join(inside, 'bin/mvctl.js'), 'runs', 'a b'], { encoding: 'utf8' });
    expect(said).toMatch(/^\[ 'runs', 'a b' \] v2[4-9]/);
  });

  it('says so where nothing is built', () => {
    const bare = join(folder, 'bare');
    for (const file of ['bin', 'package.json'])
      cpSync(join(folder, 'package', file), join(bare, file), { recursive: true });
    const { status, stderr } = spawnSync(process.execPath, [join(bare, 'bin/mvctl.js'), 'runs'], { encoding: 'utf8' });
    expect(status).toBe(3);
    expect(stderr).toMatch(
      /^mvctl: Cannot find module '.*light-main\.js'\n {2}hint: npm ci, or npm run build, builds it\n$/,
    );
  });
});

describe('the verbs that only read and write text', () => {
  it('load nothing that runs a playbook or a machine', () => {
    const ours = parts.flatMap((part) => (part.startsWith(join(ROOT, 'src')) ? [relative(ROOT, part)] : []));
    expect(ours).toContain('src/cli/validate-command.ts');
    expect(ours).toContain('src/cli/explain-command.ts');
    const heavy =
      /^src\/(?:machine|firmware|microvisor|network|images|node)\/|^src\/engine\/(?:statechart|run|model|verify|simulate|journal)\//;
    expect(ours.filter((part) => heavy.test(part))).toEqual([]);
    expect(parts.filter((part) => /node_modules.(?:xstate|ajv)\b/.test(part))).toEqual([]);
  });
});
