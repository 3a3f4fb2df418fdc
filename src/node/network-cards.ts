/** The network cards of a node, each on the switch: every side's own, and those that come and go. */
import type { Machine, PluggedDevice, Side, Slot } from '../machine/index.ts';
import type { SlotName } from '../microvisor/index.ts';
import { type EthernetSwitch, formatMac, parseMac } from '../network/index.ts';
import { NETWORK, SLOT } from './guest.ts';

export class NetworkCards {
  readonly #machine: Machine;
  readonly #ethernet: EthernetSwitch;
  /** Beyond each side's own, by name. */
  readonly #spare = new Map<string, SlotName>();
  /** How to take a card off the switch. */
  readonly #cables = new Map<Slot, () => void>();
  #spareAddresses = 0;

  constructor(machine: Machine, ethernet: EthernetSwitch) {
    this.#machine = machine;
    this.#ethernet = ethernet;
  }

  /** The card of a side stays in its slot when the side's guest goes: it may have moved to the other one. */
  plugOwn(side: Side): PluggedDevice {
    const slot = this.#machine.slot(side, SLOT.net);
    return slot.device ?? this.#connect(slot, NETWORK.mac[side]);
  }

  /** Another card in the place of a side's own; gives its hardware address. */
  replaceOwn(side: Side): string {
    const slot = this.#machine.slot(side, SLOT.net);
    const mac = this.#nextAddress();
    this.#disconnect(slot);
    this.#connect(slot, mac);
    return mac;
  }

  find(name: string): SlotName | undefined {
    return this.#spare.get(name);
  }

  plug(name: string, slot: SlotName): void {
    this.#connect(this.#machine.slot(slot.side, slot.index), this.#nextAddress());
    this.#spare.set(name, slot);
  }

  unplug(name: string): void {
    const slot = this.#spare.get(name);
    if (slot === undefined) return;
    this.#disconnect(this.#machine.slot(slot.side, slot.index));
    this.#spare.delete(name);
  }

  /** Each is used once. */
  #nextAddress(): string {
    this.#spareAddresses += 1;
    return formatMac(parseMac(NETWORK.mac.spare) + this.#spareAddresses);
  }

  #connect(slot: Slot, mac: string): PluggedDevice {
    const net = slot.plug({ kind: 'net', mac });
    if (net.ethernet === undefined) throw new Error('a net device has an ethernet side');
    this.#cables.set(slot, this.#ethernet.attach(net.ethernet));
    return net;
  }

  #disconnect(slot: Slot): void {
    this.#cables.get(slot)?.();
    this.#cables.delete(slot);
    slot.unplug();
  }
}
