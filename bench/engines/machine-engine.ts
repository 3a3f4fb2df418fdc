/** Our machine, in a process of its own (machine-process.ts). */
import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { Translate } from '../../src/machine/index.ts';
import type { Engine, Mark } from './engine.ts';
import type { MachineJob } from './machine-process.ts';

const PROCESS = fileURLToPath(new URL('./machine-process.ts', import.meta.url));

export function machineEngine(name: string, translate: Translate): Engine {
  return {
    name,
    absent: undefined,
    runGuest: ({ disk }) => runProcess({ kind: 'guest', disk, translate }),
    bootToHttp: async ({ image }) => {
      const [mark] = await runProcess({ kind: 'http', disk: image, translate });
      if (mark === undefined) throw new Error(`${name}: no answer over HTTP`);
      return mark;
    },
  };
}

/** Wall time counts from here: the start of the process is part of it. */
function runProcess(job: MachineJob): Promise<readonly Mark[]> {
  const startedAt = performance.now();
  const child = spawn(process.execPath, [PROCESS, JSON.stringify(job)], { stdio: ['ignore', 'pipe', 'inherit'] });
  let output = '';
  const marks: Mark[] = [];
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
    output += chunk;
    const lines = output.split('\n');
    output = lines.pop() ?? '';
    for (const line of lines) {
      marks.push({ ...(JSON.parse(line) as Mark), wallSeconds: (performance.now() - startedAt) / 1000 });
    }
  });
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code) =>
      code === 0 ? resolve(marks) : reject(new Error(`the machine's process ended with ${code}`)),
    );
  });
}
