/**
 * A learning Ethernet switch inside the process. Every frame takes the same time through it and frames leave in the
 * order they came, so that what a port receives depends on nothing but what was sent and when.
 *
 * Invariants:
 * 1. A frame never comes back out of the port it went in.
 * 2. No frame is lost as long as fewer than `FRAMES_IN_FLIGHT_MAX` are inside; what is beyond is counted.
 */
import type { NetworkClock } from './clock.ts';
import type { EthernetPort, MacAddress } from './ethernet.ts';
import { ETHERNET_FRAME_BYTES_MAX, ETHERNET_HEADER_BYTES, isGroupMac, readMac } from './ethernet.ts';

export interface EthernetSwitchOptions {
  readonly clock: NetworkClock;
  /** From the moment a frame has left one port's owner to its arrival at the other's. */
  readonly latencyNs: number;
  /** Sees each frame when it enters the switch (a capture). Must not change it. */
  readonly onFrame?: (atNs: number, frame: Uint8Array) => void;
}

export interface EthernetSwitchCounters {
  readonly forwarded: number;
  readonly flooded: number;
  /** Shorter than a header or longer than a frame may be. */
  readonly malformed: number;
  readonly overflowed: number;
}

const FRAMES_IN_FLIGHT_MAX = 65_536;
const ADDRESSES_MAX = 1024;

export class EthernetSwitch {
  readonly #options: EthernetSwitchOptions;
  /** In the order they were attached: the order of flooding. */
  readonly #ports = new Set<EthernetPort>();
  readonly #portOfAddress = new Map<MacAddress, EthernetPort>();
  readonly #counters = { forwarded: 0, flooded: 0, malformed: 0, overflowed: 0 };
  #framesInFlight = 0;

  constructor(options: EthernetSwitchOptions) {
    this.#options = options;
  }

  get counters(): EthernetSwitchCounters {
    return { ...this.#counters };
  }

  /** Takes over the port's `onTransmit`; the function it returns pulls the cable (frames on their way are lost). */
  attach(port: EthernetPort): () => void {
    this.#ports.add(port);
    port.onTransmit = (frame) => this.#enter(port, frame);
    return () => this.#detach(port);
  }

  #detach(port: EthernetPort): void {
    if (!this.#ports.delete(port)) return;
    port.onTransmit = () => {};
    for (const [address, owner] of this.#portOfAddress) if (owner === port) this.#portOfAddress.delete(address);
  }

  #enter(from: EthernetPort, sent: Uint8Array): void {
    if (sent.length < ETHERNET_HEADER_BYTES || sent.length > ETHERNET_FRAME_BYTES_MAX) {
      this.#counters.malformed++;
      return;
    }
    if (this.#framesInFlight >= FRAMES_IN_FLIGHT_MAX) {
      this.#counters.overflowed++;
      return;
    }
    const frame = sent.slice(); // the sender's buffer may be guest memory
    const { clock, latencyNs, onFrame } = this.#options;
    onFrame?.(clock.now(), frame);
    this.#learn(readMac(frame, 6), from);
    this.#framesInFlight++;
    clock.at(clock.now() + latencyNs, () => {
      this.#framesInFlight--;
      this.#leave(from, frame);
    });
  }

  #learn(source: MacAddress, port: EthernetPort): void {
    if (isGroupMac(source)) return;
    const known = this.#portOfAddress.has(source);
    if (!known && this.#portOfAddress.size >= ADDRESSES_MAX) {
      const [oldest] = this.#portOfAddress.keys();
      if (oldest !== undefined) this.#portOfAddress.delete(oldest);
    }
    this.#portOfAddress.set(source, port);
  }

  #leave(from: EthernetPort, frame: Uint8Array): void {
    const destination = readMac(frame, 0);
    const to = isGroupMac(destination) ? undefined : this.#portOfAddress.get(destination);
    if (to !== undefined) {
      this.#counters.forwarded++;
      if (to !== from) to.receive(frame);
      return;
    }
    this.#counters.flooded++;
    for (const port of [...this.#ports]) if (port !== from && this.#ports.has(port)) port.receive(frame);
  }
}
