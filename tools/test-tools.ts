/**
 * Debian packages that some tests are made with. Installed where that can be done (root, apt-get, a mirror that answers);
 * elsewhere those tests say that they were skipped.
 */
import { spawnSync } from 'node:child_process';
import { findProgram } from '../src/images/tools.ts';

/** The program that tells whether the package is there. */
const PACKAGES: { readonly [program: string]: readonly string[] } = {
  // A browser without a font draws no text.
  chromium: ['chromium', 'fonts-dejavu-core'],
};

export function installTestTools(): void {
  const missing = Object.keys(PACKAGES).filter((program) => findProgram(program) === undefined);
  if (missing.length === 0) return;
  const packages = missing.flatMap((program) => PACKAGES[program]!);
  const aptGet = findProgram('apt-get');
  if (process.getuid?.() !== 0 || aptGet === undefined) {
    console.log(`   not installed, their tests are skipped: ${packages.join(', ')}`);
    return;
  }
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  for (const args of [
    ['update', '--quiet'],
    ['install', '--quiet', '--yes', '--no-install-recommends', ...packages],
  ]) {
    const run = spawnSync(aptGet, args, { env, encoding: 'utf8', timeout: INSTALL_MS_MAX });
    if (run.status === 0) continue;
    console.log(`   apt-get ${args[0]} failed, tests with ${packages.join(', ')} are skipped:\n${run.stderr}`);
    return;
  }
  console.log(`   installed ${packages.join(', ')}`);
}

const INSTALL_MS_MAX = 600_000;
