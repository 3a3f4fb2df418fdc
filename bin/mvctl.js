#!/usr/bin/env node
// Launcher: runs dist/cli/main.js on Node.js 24 or later, which the package brings along for machines that have an older one.
import { spawnSync } from 'node:child_process';
import { createRequire } from 'node:module';

const OLDEST = 24;
const main = new URL('../dist/cli/main.js', import.meta.url);

if (Number.parseInt(process.versions.node, 10) >= OLDEST) {
  await import(main.href);
} else {
  let runtime;
  try {
    runtime = createRequire(import.meta.url).resolve(`node-${process.platform}-${process.arch}/bin/node`);
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
