#!/usr/bin/env node
// Launcher. Verbs that need no node run right here, from the bundle and with V8's compile cache where there is one; the
// others run on Node.js 24 or later, which the package brings along for machines that have an older one.
import module from 'node:module';

const OLDEST = 24;

module.enableCompileCache?.();
const { runLight } = await import('../dist/light/light-main.js').catch(notBuilt);
if (!(await runLight(process.argv.slice(2)))) await runAny();

function notBuilt(error) {
  if (error.code !== 'ERR_MODULE_NOT_FOUND') throw error;
  console.error(`mvctl: ${error.message.split(' imported from ')[0]}\n  hint: npm ci, or npm run build, builds it`);
  process.exit(3);
}

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
  const { spawn } = await import('node:child_process');
  const { fileURLToPath } = await import('node:url');
  const child = spawn(runtime, [fileURLToPath(main), ...process.argv.slice(2)], { stdio: 'inherit' });
  // A terminal sends Ctrl-C to both: the child decides what comes of it. Other signals are sent to this process alone.
  process.on('SIGINT', () => {});
  for (const signal of ['SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal));
  child.on('error', ({ message }) => {
    console.error(`mvctl: ${runtime} does not start: ${message}`);
    process.exitCode = 3;
  });
  child.on('exit', (code, signal) => {
    if (!signal) process.exitCode = code ?? 3;
    else {
      process.removeAllListeners(signal);
      process.kill(process.pid, signal);
    }
  });
}
