/**
 * Who owns what, as the parts themselves say: memory and devices as the Microvisor last told, the service as the client's
 * neighbour table has it. Noted at the ends of acts: within one, only its end is known.
 */
import { OwnerSpans } from '../engine/port.ts';
import { memoryMap, SIDES, type Side } from '../machine/index.ts';
import type { EmulatedNode } from './emulated-node.ts';
import { SLOT } from './guest.ts';

const SHOWN_SLOTS = { disk: SLOT.system, network: SLOT.net } as const;

export class OwnershipLog extends OwnerSpans {
  readonly #node: EmulatedNode;

  constructor(node: EmulatedNode) {
    super();
    this.#node = node;
  }

  mark(): void {
    this.note(this.#node.machine.now(), ownersOf(this.#node));
  }
}

/** Of each part, in the words of the run. */
function ownersOf(node: EmulatedNode): ReadonlyMap<string, string> {
  const owners = new Map<string, string>([['M-mode', node.virtualized ? 'Microvisor' : 'firmware']]);
  const note = (part: string, side: Side | null | undefined): void => {
    const name = side == null ? undefined : node.guests.findName(side);
    if (name !== undefined) owners.set(part, name);
  };
  note('service', node.serves());
  const { bank } = memoryMap(node.machine.options.bankBytes);
  const told = node.virtualized ? node.monitor.lastStatus : undefined;
  for (const side of SIDES) {
    const { base } = bank[side];
    const region = told?.memory.find((owned) => base >= owned.base && base < owned.base + owned.bytes);
    note(`memory ${side}`, told ? region?.owner : node.bootSide);
    for (const [what, index] of Object.entries(SHOWN_SLOTS)) {
      if (node.machine.slot(side, index).device === undefined) continue;
      note(`${what} ${side}`, told ? told.slots[side][index] : node.bootSide);
    }
  }
  return owners;
}
