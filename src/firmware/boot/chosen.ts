/** What the firmware adds to the board's device tree. Source: [DTSPEC] "/chosen Node", [LINUX-DT] "chosen". */
import type { DeviceTreeNode, MemoryRegion } from '../../machine/index.ts';

export interface Chosen {
  readonly bootargs: string;
  readonly initrd?: MemoryRegion;
  readonly rngSeed: Uint8Array;
}

const UART_COMPATIBLE = 'ns16550a';
const UART_OPTIONS = ':115200n8';

/** The tree with a /chosen node in place of any it had. */
export function withChosen(root: DeviceTreeNode, chosen: Chosen): DeviceTreeNode {
  const stdout = pathOfCompatible(root, UART_COMPATIBLE, '');
  const node: DeviceTreeNode = {
    name: 'chosen',
    properties: {
      bootargs: chosen.bootargs,
      ...(chosen.initrd === undefined
        ? {}
        : {
            'linux,initrd-start': [BigInt(chosen.initrd.base)],
            'linux,initrd-end': [BigInt(chosen.initrd.base + chosen.initrd.bytes)],
          }),
      'rng-seed': chosen.rngSeed,
      ...(stdout === undefined ? {} : { 'stdout-path': `${stdout}${UART_OPTIONS}` }),
    },
    children: [],
  };
  return { ...root, children: [node, ...root.children.filter((child) => child.name !== 'chosen')] };
}

function pathOfCompatible(node: DeviceTreeNode, compatible: string, path: string): string | undefined {
  for (const child of node.children) {
    const childPath = `${path}/${child.name}`;
    const names = child.properties['compatible'];
    if (names === compatible || (Array.isArray(names) && names.includes(compatible))) return childPath;
    const below = pathOfCompatible(child, compatible, childPath);
    if (below !== undefined) return below;
  }
  return undefined;
}
