import { createHash } from 'node:crypto';
import { beforeAll, describe, expect, it } from 'vitest';
import { type BlockStore, RAM_BASE, slotBase } from '../../src/machine/index.ts';
import { BareNode } from './bare-node.ts';
import { OverlayStore } from './overlay-store.ts';
import { systemDisk } from './system-disk.ts';

const PROMPT = 'root@node:~# ';
const BOOT_LIMIT_MS = 60_000;
const DISK_BYTES = 0x200_0000;
const DRIVER = '/sys/bus/platform/drivers/virtio-mmio';
const NEW_SLOT = `${slotBase('B', 5).toString(16)}.virtio_mmio`;

const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

class DiskInMemory implements BlockStore {
  readonly bytes = DISK_BYTES;
  readonly readOnly = false;
  readonly data = new Uint8Array(DISK_BYTES);
  flushes = 0;
  constructor() {
    for (let index = 0; index < DISK_BYTES; index++) this.data[index] = (index * 7 + (index >> 9)) & 0xff;
  }
  read(offset: number, into: Uint8Array): void {
    into.set(this.data.subarray(offset, offset + into.length));
  }
  write(offset: number, from: Uint8Array): void {
    this.data.set(from, offset);
  }
  flush(): void {
    this.flushes++;
  }
}

describe('the devices under unmodified Debian', () => {
  let node: BareNode;
  let disk: DiskInMemory;

  beforeAll(async () => {
    node = new BareNode({ systemDisk: new OverlayStore(await systemDisk()) });
    expect(node.runUntilConsole(PROMPT, BOOT_LIMIT_MS), node.console).toBe(true);
  });

  /** Output of a line of the shell on the console; its exit code is the last word. */
  function shell(line: string): string {
    const from = node.console.length;
    node.type(`${line}; echo "exit:" $?\r`);
    expect(
      node.runUntil(() => /exit: \d+\r/.test(node.console.slice(from)), 30_000),
      node.console.slice(from),
    ).toBe(true);
    return node.console.slice(from);
  }

  it('are found by its drivers: UART, clock with the board’s calendar, named console port', () => {
    expect(shell('dmesg | grep ttyS0')).toMatch(/MMIO 0x10400000 .* is a 16550A/);
    expect(shell('date -u +%F')).toContain('2026-11-01');
    expect(shell('readlink -f /dev/virtio-ports/*')).toMatch(/\/dev\/vport\dp1/);
    expect(shell('cat /sys/class/misc/hw_random/rng_current')).toContain('virtio_rng.0');
  });

  it('read as absent in an empty slot, and are found there once they are plugged in', () => {
    expect(shell(`echo ${NEW_SLOT} > ${DRIVER}/bind`)).toContain('No such device');
    disk = new DiskInMemory();
    node.machine.slot('B', 5).plug({ kind: 'block', store: disk, serial: 'late' });
    expect(shell(`echo ${NEW_SLOT} > ${DRIVER}/bind && udevadm settle`)).toContain('exit: 0');
  });

  it('give a disk’s bytes, take new ones, and flush when the guest syncs', () => {
    expect(shell('sha256sum < /dev/disk/by-id/virtio-late')).toContain(sha256(disk.data));
    const flushes = disk.flushes;
    shell('head -c 3000000 /dev/urandom > /tmp/r; dd if=/tmp/r of=/dev/disk/by-id/virtio-late bs=4k seek=3 conv=fsync');
    const written = disk.data.subarray(3 * 4096, 3 * 4096 + 3_000_000);
    expect(shell('sha256sum < /tmp/r')).toContain(sha256(written));
    expect(disk.flushes).toBeGreaterThan(flushes);
  });

  it('are let go by the driver and taken again', () => {
    expect(shell(`echo ${NEW_SLOT} > ${DRIVER}/unbind; ls /dev/vdb`)).toContain('No such file');
    expect(node.machine.slot('B', 5).device?.inFlight()).toBe(0);
    expect(shell(`echo ${NEW_SLOT} > ${DRIVER}/bind; udevadm settle; ls /dev/vdb`)).toContain('exit: 0');
    shell(`echo ${NEW_SLOT} > ${DRIVER}/unbind`);
    node.machine.slot('B', 5).unplug();
    expect(shell(`echo ${NEW_SLOT} > ${DRIVER}/bind`)).toContain('No such device');
  });

  it('go on from a snapshot of the running system bit for bit', () => {
    const { machine } = node;
    const digest = (): readonly unknown[] => [
      sha256(machine.memory.view(RAM_BASE, machine.memory.bytes)),
      machine.counters,
      machine.now(),
    ];
    node.type('for i in 1 2 3 4 5 6 7 8; do sha256sum < /tmp/r; sleep 0.01; done\r');
    node.runUntil(() => false, 20);
    const saved = machine.save();
    const untilNs = machine.now() + 100_000_000;
    machine.run(untilNs);
    const first = digest();
    machine.restore(saved);
    machine.run(untilNs);
    expect(digest()).toEqual(first);
  });
});
