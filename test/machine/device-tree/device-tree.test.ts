import { spawnSync } from 'node:child_process';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { memoryMap, SIDES, type Side } from '../../../src/machine/board.ts';
import { boardTree, uartPath } from '../../../src/machine/device-tree/board-tree.ts';
import { readDeviceTree } from '../../../src/machine/device-tree/fdt-reader.ts';
import { flattenDeviceTree, propertyBytes } from '../../../src/machine/device-tree/fdt-writer.ts';
import type { DeviceTreeNode, DeviceTreeValue } from '../../../src/machine/door.ts';

const BANK_BYTES = 0x1000_0000;

function treeOf(side: Side, harts = 1): DeviceTreeNode {
  const map = memoryMap(BANK_BYTES);
  const other = side === 'A' ? 'B' : 'A';
  const scratch = map.scratch[other];
  return boardTree({
    harts,
    side,
    memory: {
      own: [map.lowStub[side], map.bank[side]],
      takeUp: [{ base: scratch.base, bytes: scratch.bytes + BANK_BYTES }],
    },
    rngSeed: new Uint8Array(32).fill(7),
  });
}

const flat = (node: DeviceTreeNode): unknown => ({
  name: node.name,
  properties: Object.fromEntries(
    Object.entries(node.properties).map(([name, value]) => [name, [...propertyBytes(value)]]),
  ),
  children: node.children.map(flat),
});

const hasDtc = spawnSync('dtc', ['--version']).status === 0;

describe('the device tree blob', () => {
  it.each(SIDES)('of side %s reads back as what was flattened', (side) => {
    const tree = treeOf(side, 4);
    expect(flat(readDeviceTree(flattenDeviceTree(tree)))).toEqual(flat(tree));
  });

  it('of any tree reads back as what was flattened', () => {
    const name = fc.stringMatching(/^[a-z][a-z0-9,._+-]{0,30}$/);
    const value = fc.oneof<fc.Arbitrary<DeviceTreeValue>[]>(
      fc.constant<DeviceTreeValue>(true),
      fc.stringMatching(/^[ -~]*$/),
      fc.array(fc.stringMatching(/^[ -~]*$/)),
      fc.array(fc.oneof(fc.nat(0xffff_ffff), fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }))),
      fc.uint8Array(),
    );
    const tree: fc.Memo<DeviceTreeNode> = fc.memo((depth) =>
      fc.record({
        name,
        properties: fc.dictionary(name, value, { maxKeys: 4, noNullPrototype: true }),
        children: depth > 1 ? fc.array(tree(depth - 1), { maxLength: 3 }) : fc.constant([]),
      }),
    );
    fc.assert(
      fc.property(tree(4), (root) => {
        expect(flat(readDeviceTree(flattenDeviceTree(root)))).toEqual(flat(root));
      }),
    );
  });

  it('has strings with NUL, cells big-endian, 64-bit numbers as two cells, flags empty', () => {
    expect([...propertyBytes('ab')]).toEqual([0x61, 0x62, 0]);
    expect([...propertyBytes(['a', 'b'])]).toEqual([0x61, 0, 0x62, 0]);
    expect([...propertyBytes([1, 0x2_0000_0003n])]).toEqual([0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3]);
    expect([...propertyBytes(true)]).toEqual([]);
    expect(() => propertyBytes([2 ** 32])).toThrow('not a 32-bit cell');
  });

  it.runIf(hasDtc).each(SIDES)('of side %s is accepted by dtc without a warning', (side) => {
    const dtc = spawnSync('dtc', ['-I', 'dtb', '-O', 'dts'], { input: flattenDeviceTree(treeOf(side, 2)) });
    expect(dtc.stderr.toString()).toBe('');
    expect(dtc.status).toBe(0);
    expect(dtc.stdout.toString()).toContain(
      `interrupts-extended = <0x01 0xffffffff 0x01 0x09 0x02 0xffffffff 0x02 0x09>`,
    );
  });
});

describe('the device tree of a side', () => {
  const soc = (side: Side): readonly DeviceTreeNode[] =>
    treeOf(side).children.find((child) => child.name === 'soc')!.children;

  it('lists its own slots first, then those of the other side', () => {
    const slots = (side: Side): string[] =>
      soc(side).flatMap(({ name }) => (name.startsWith('virtio_mmio@') ? [name.slice('virtio_mmio@'.length)] : []));
    expect([slots('A')[0], slots('A')[7], slots('A')[8], slots('A').length]).toEqual([
      '10410000',
      '10417000',
      '10c10000',
      16,
    ]);
    expect(slots('B')).toEqual([...slots('A').slice(8), ...slots('A').slice(0, 8)]);
  });

  it('has its own PLIC, UART and clock and nobody else’s', () => {
    const names = soc('B').flatMap(({ name }) => (name.startsWith('virtio_mmio@') ? [] : [name]));
    expect(names).toEqual(['interrupt-controller@10800000', 'serial@10c00000', 'rtc@10c01000']);
    expect(uartPath('B')).toBe('/soc/serial@10c00000');
  });

  it('says the NUMA node of every cpu, memory and pmem-region, which dax/kmem asks for', () => {
    const nodes = treeOf('A').children.flatMap((child) => [child, ...child.children]);
    const numa = nodes.filter(({ name }) => /^(cpu|memory|pmem)@/.test(name));
    expect(numa.map(({ name }) => name)).toEqual(['cpu@0', 'memory@80200000', 'memory@88000000', 'pmem@9fe00000']);
    for (const node of numa) expect(node.properties['numa-node-id']).toEqual([0]);
  });

  it('has no way to power the node off', () => {
    expect(JSON.stringify(soc('A').map((node) => node.properties['compatible']))).not.toMatch(/syscon|test/);
  });
});
