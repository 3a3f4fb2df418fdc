import { createHash } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { RAM_BASE, type Translate } from '../../src/machine/index.ts';
import { BareNode } from './bare-node.ts';
import { OverlayStore } from './overlay-store.ts';
import { systemDisk } from './system-disk.ts';

const PROMPT = 'root@node:~# ';
const BOOT_LIMIT_MS = 60_000;
const SERVICE = '10.0.0.10';
/** mcause of an ecall from S-mode: an SBI call. */
const SBI_CALL = '0x9';

let disk: string;
beforeAll(async () => {
  disk = await systemDisk();
});

function boot(systemDisk: string | OverlayStore, bootSide: 'A' | 'B' = 'A', translate: Translate = 'hot'): BareNode {
  const node = new BareNode({ systemDisk, bootSide, translate });
  expect(node.runUntilConsole(PROMPT, BOOT_LIMIT_MS), node.console).toBe(true);
  return node;
}

/** Runs a line of the shell on the console and returns when its output ends in `done N`. */
function shell(node: BareNode, line: string): string {
  const from = node.console.length;
  node.type(`${line}; echo "done" $?\r`);
  expect(
    node.runUntil(() => /done \d+\r/.test(node.console.slice(from)), 30_000),
    node.console,
  ).toBe(true);
  return node.console.slice(from);
}

function pageOf(node: BareNode, path: string): string {
  const result = node.get(SERVICE, path, 10_000);
  if (result?.ok !== true) throw new Error(`expected an answer, found ${JSON.stringify(result)}`);
  expect(result.response.status).toBe(200);
  return new TextDecoder().decode(result.response.body);
}

const digest = (node: BareNode): string =>
  createHash('sha256').update(node.machine.memory.view(RAM_BASE, node.machine.memory.bytes)).digest('hex');

describe('unmodified Debian on the bare node', () => {
  describe('from side A', () => {
    const store = (): OverlayStore => new OverlayStore(disk);
    let node: BareNode;
    beforeAll(() => {
      node = boot(store());
    });
    afterAll(() => {
      node.runUntil(() => false, 0);
    });

    it('boots from its own disk and serves HTTP', () => {
      expect(node.console).toContain('firmware: side A boots l0: /boot/vmlinux-');
      expect(pageOf(node, '/')).toContain('It serves.');
      expect(pageOf(node, '/os')).toMatch(/^\d+\.\d+\.\d+\+deb\d+-riscv64\n$/);
    });

    it('enters M-mode for its own SBI calls and for nothing else', () => {
      expect(Object.keys(node.machine.counters.machineModeEntries)).toEqual([SBI_CALL]);
      const before = node.machine.counters;
      node.runUntil(() => false, 2000);
      expect(node.machine.counters.retiredInstructions).toBeGreaterThan(before.retiredInstructions);
      expect(node.machine.counters.machineModeEntries).toEqual(before.machineModeEntries);
    });

    it('runs the same, bit for bit, when it is run again, with the translator or without', () => {
      const [one, other] = [boot(store()), boot(store(), 'A', 'off')];
      expect(one.machine.counters).toEqual(other.machine.counters);
      expect(one.console).toBe(other.console);
      expect(digest(one)).toBe(digest(other));
    });

    it('reboots by itself, and powers the node off', () => {
      node.type('reboot\r');
      expect(node.runUntilConsole('firmware: side A boots', BOOT_LIMIT_MS), node.console).toBe(true);
      expect(node.runUntilConsole(PROMPT, BOOT_LIMIT_MS), node.console).toBe(true);
      expect(node.firmware.boots).toBe(2);
      node.type('poweroff\r');
      node.runUntil(() => false, BOOT_LIMIT_MS);
      expect(node.machine.run(node.machine.now() + 1)).toBe('off');
    });
  });

  it('boots from side B and takes up the memory of side A', () => {
    const node = boot(disk, 'B');
    expect(pageOf(node, '/')).toContain('It serves.');
    const memory = shell(node, 'grep MemTotal /proc/meminfo; grep -i kmem /proc/iomem');
    expect(memory).toMatch(/88000000-97ffffff : System RAM \(kmem\)/);
    expect(Number(/MemTotal: +(\d+) kB/.exec(memory)?.[1])).toBeGreaterThan(400_000);
  });

  it('boots after a power cut what was only in the journal of its file system', () => {
    const store = new OverlayStore(disk);
    const node = boot(store);
    shell(
      node,
      'cd /boot && mv vmlinux-* vmlinux-moved && sed -i "s,/boot/vmlinux-.*,/boot/vmlinux-moved," extlinux/extlinux.conf && sync',
    );
    const after = boot(store);
    expect(after.console).toContain('firmware: side A boots l0: /boot/vmlinux-moved');
    expect(shell(after, 'dmesg')).toContain('recovery complete');
  });
});
