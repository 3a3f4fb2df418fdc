#!/usr/bin/env node
// Launcher. Verbs that need no node run right here, from the bundle and with V8's compile cache where there is one; the
// others run on Node.js 24 or later, which the package brings along for machines that have an older one.
import { spawnSync } from 'node:child_process';
import module from 'node:module';

const OLDEST = 24;

module.enableCompileCache?.();
const { runLight } = await import('../dist/light/light-main.js');
if (!(await runLight(process.argv.slice(2)))) await runAny();

async function runAny() {
  const main = new URL('../dist/cli/main.js', import.meta.url);
  if (Number.parseInt(process.versions.node, 10) >= OLDEST) {
    await import(main.href);
    return;
  }
  let runtime;
  try {
    runtime = module.createRequire(import.meta.url).resolve(`node-${process.platform}-${process.arch}/bin/node`);
  } catch {
    console.error(
      `mvctl: needs Node.js ${OLDEST} or later, found ${process.versions.node}, and no bundled runtime for ${process.platform}-${process.arch}`,
    );
    process.exit(3);
  }
  const run = spawnSync(runtime, [main.pathname, ...process.argv.slice(2)], { stdio: 'inherit' });
  if (run.signal) process.kill(process.pid, run.signal);
  process.exit(run.status ?? 3);
}
