/** Runs one job of a bench on our machine and prints a line of JSON for each mark. */
import { writeSync } from 'node:fs';
import type { Translate } from '../../src/machine/index.ts';
import { BareNode } from '../../test/system/bare-node.ts';
import { ownCpuSeconds, threadCpuSeconds } from './cpu-clock.ts';
import { benchLines, LAST_LINE, type Mark, RAM_MIB } from './engine.ts';

export interface MachineJob {
  /** Until the guest's last line, or until the web server answers. */
  readonly kind: 'guest' | 'http';
  readonly disk: string;
  readonly translate: Translate;
}

const SERVICE = '10.0.0.10';
const NODE_MS_MAX = 600_000;

const job = JSON.parse(process.argv[2] ?? '{}') as MachineJob;

let isDone = false;
const onLine = benchLines((text) => {
  mark(text);
  if (text === LAST_LINE) isDone = true;
});
const decoder = new TextDecoder('latin1');
const node = new BareNode({
  systemDisk: job.disk,
  bankMib: RAM_MIB / 2,
  translate: job.translate,
  onConsole: (bytes) => onLine(decoder.decode(bytes)),
});

function mark(text: string): void {
  const mark: Mark = {
    text,
    wallSeconds: 0,
    cpuSeconds: ownCpuSeconds(),
    hartCpuSeconds: threadCpuSeconds(),
    instructions: node.machine.counters.retiredInstructions,
  };
  writeSync(1, `${JSON.stringify(mark)}\n`);
}

if (job.kind === 'guest') {
  if (!node.runUntil(() => isDone, NODE_MS_MAX)) throw new Error(`the guest was not done:\n${node.console}`);
} else {
  if (node.get(SERVICE, '/', NODE_MS_MAX)?.ok !== true) throw new Error(`no answer over HTTP:\n${node.console}`);
  mark('http');
}
process.exit(0);
