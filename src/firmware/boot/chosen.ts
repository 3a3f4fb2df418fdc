/** What the firmware adds to the board's device tree. Source: [DT] "/chosen Node", Linux "chosen.txt". */
import { type DeviceTreeNode, type MemoryRegion, type Side, uartPath } from '../../machine/index.ts';

export interface Chosen {
  readonly bootargs: string;
  readonly initrd?: MemoryRegion;
}

const UART_OPTIONS = ':115200n8';

/** The tree with more in its /chosen node, which has the board's random seed already. */
export function withChosen(root: DeviceTreeNode, side: Side, { bootargs, initrd }: Chosen): DeviceTreeNode {
  const board = root.children.find((child) => child.name === 'chosen');
  const node: DeviceTreeNode = {
    name: 'chosen',
    properties: {
      ...board?.properties,
      bootargs,
      ...(initrd === undefined
        ? {}
        : {
            'linux,initrd-start': [BigInt(initrd.base)],
            'linux,initrd-end': [BigInt(initrd.base + initrd.bytes)],
          }),
      'stdout-path': `${uartPath(side)}${UART_OPTIONS}`,
    },
    children: board?.children ?? [],
  };
  return { ...root, children: [node, ...root.children.filter((child) => child !== board)] };
}
