/**
 * Boots a disk on a bare node and prints its console: `node tools/boot.ts DISK [--side B] [--seconds 30] [--bank-mib 256]
 * [--harts 1] [--until TEXT] [--get ADDRESS/PATH] [--type TEXT] [--translate hot|all|off]`.
 */
import { createHash } from 'node:crypto';
import { parseArgs } from 'node:util';
import { MIB, type Translate } from '../src/machine/index.ts';
import { BareNode } from '../test/system/bare-node.ts';

const NS_PER_MS = 1_000_000;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    side: { type: 'string', default: 'A' },
    seconds: { type: 'string', default: '30' },
    'bank-mib': { type: 'string', default: '256' },
    harts: { type: 'string', default: '1' },
    until: { type: 'string' },
    get: { type: 'string' },
    type: { type: 'string' },
    translate: { type: 'string', default: 'hot' },
  },
});
const [systemDisk] = positionals;
if (systemDisk === undefined) throw new Error('expected the path of a disk');

const node = new BareNode({
  systemDisk,
  bootSide: values.side === 'B' ? 'B' : 'A',
  bankMib: Number(values['bank-mib']),
  translate: values.translate as Translate,
  harts: Number(values.harts) as 1 | 2 | 3 | 4,
  onConsole: (bytes) => process.stdout.write(bytes),
});
const { machine } = node;
const cpuStart = process.cpuUsage();
const threadStart = process.threadCpuUsage();

const limitMs = 1000 * Number(values.seconds);
const { until, get, type } = values;
if (until === undefined) node.runUntil(() => false, limitMs);
else if (!node.runUntilConsole(until, limitMs)) print(`'${until}' did not appear`);
if (type !== undefined) {
  node.type(`${type}\r`);
  node.runUntil(() => false, 2000);
}
if (get !== undefined) {
  const slash = get.indexOf('/');
  const result = node.get(get.slice(0, slash), get.slice(slash), limitMs);
  print(JSON.stringify(result, (_, value) => (value instanceof Uint8Array ? new TextDecoder().decode(value) : value)));
}

const { user, system } = process.cpuUsage(cpuStart);
const thread = process.threadCpuUsage(threadStart);
const { counters } = machine;
const cpuSeconds = (thread.user + thread.system) / 1e6;
const compileSeconds = (user + system) / 1e6 - cpuSeconds;
print(
  `node time ${(machine.now() / NS_PER_MS).toFixed(1)} ms, CPU ${cpuSeconds.toFixed(1)} s, of other threads ${compileSeconds.toFixed(1)} s`,
);
print(`retired ${counters.retiredInstructions} (${(counters.retiredInstructions / 1e6 / cpuSeconds).toFixed(0)} MIPS)`);
print(
  `M-mode entries ${JSON.stringify(counters.machineModeEntries)}, charged ${counters.chargedCycles}, idle ${counters.idleNs} ns`,
);

const ram = createHash('sha256');
for (let at = 0; at < machine.memory.bytes; at += MIB) ram.update(machine.memory.view(machine.memory.base + at, MIB));
print(`SHA-256 of RAM ${ram.digest('hex')}, of the console ${createHash('sha256').update(node.console).digest('hex')}`);

function print(line: string): void {
  process.stdout.write(`\n[boot] ${line}\n`);
}
