/**
 * Who has which IPv4 address on the link. The address of a service changes hands by an announcement (a gratuitous ARP or
 * an unsolicited reply, [RFC 5227] 3): every ARP packet from an address we know updates its entry at once, [RFC 826]
 * "merge". A silent change is found out too: an entry that is old, or that the transport suspects ([RFC 1122] 2.3.2.1),
 * is asked for again while it stays in use.
 */
import { ARP_OPERATION, type ArpPacket } from './arp.ts';
import { type NetworkClock, NS_PER_S } from './clock.ts';
import { BROADCAST_MAC, type MacAddress } from './ethernet.ts';
import type { Ipv4Address } from './ipv4.ts';

const REQUEST_INTERVAL_NS = NS_PER_S;
const REQUESTS_MAX = 3;
const CONFIRMED_FOR_NS = 60 * NS_PER_S;
const ENTRIES_MAX = 256;
const WAITING_PACKETS_MAX = 64;

export interface NeighborsOptions {
  readonly clock: NetworkClock;
  readonly mac: MacAddress;
  readonly ip: Ipv4Address;
  readonly transmitArp: (destination: MacAddress, packet: ArpPacket) => void;
  /** An IPv4 packet whose neighbour is known now. */
  readonly transmitPacket: (destination: MacAddress, packet: Uint8Array) => void;
  /** Nobody answered for this address; what waited for it is gone. */
  readonly onUnreachable: (ip: Ipv4Address) => void;
}

interface Neighbor {
  mac: MacAddress | undefined;
  confirmedNs: number;
  requests: number;
  cancelRetry: (() => void) | undefined;
  waiting: Uint8Array[];
}

export class Neighbors {
  readonly #options: NeighborsOptions;
  readonly #entries = new Map<Ipv4Address, Neighbor>();

  constructor(options: NeighborsOptions) {
    this.#options = options;
  }

  macOf(ip: Ipv4Address): MacAddress | undefined {
    return this.#entries.get(ip)?.mac;
  }

  /** Sends an IPv4 packet to a neighbour, after asking for its address if need be. */
  send(ip: Ipv4Address, packet: Uint8Array): void {
    const entry = this.#entryFor(ip);
    if (entry.mac === undefined) {
      if (entry.waiting.length < WAITING_PACKETS_MAX) entry.waiting.push(packet);
      this.#ask(ip, entry);
      return;
    }
    if (this.#options.clock.now() - entry.confirmedNs >= CONFIRMED_FOR_NS) this.#ask(ip, entry);
    this.#options.transmitPacket(entry.mac, packet);
  }

  /** The transport hears nothing from this address: ask who has it now. */
  suspect(ip: Ipv4Address): void {
    const entry = this.#entries.get(ip);
    if (entry !== undefined) this.#ask(ip, entry);
  }

  receive(packet: ArpPacket): void {
    const { ip, mac, transmitArp } = this.#options;
    const asksForUs = packet.operation === ARP_OPERATION.request && packet.targetIp === ip;
    const usable = packet.senderIp !== 0 && packet.senderIp !== ip;
    if (usable) {
      const entry = asksForUs ? this.#entryFor(packet.senderIp) : this.#entries.get(packet.senderIp);
      if (entry !== undefined) this.#confirm(entry, packet.senderMac);
    }
    if (asksForUs) {
      const { senderMac: targetMac, senderIp: targetIp } = packet;
      transmitArp(targetMac, { operation: ARP_OPERATION.reply, senderMac: mac, senderIp: ip, targetMac, targetIp });
    }
  }

  #entryFor(ip: Ipv4Address): Neighbor {
    const known = this.#entries.get(ip);
    if (known !== undefined) return known;
    if (this.#entries.size >= ENTRIES_MAX) this.#evictOldest();
    const entry: Neighbor = { mac: undefined, confirmedNs: 0, requests: 0, cancelRetry: undefined, waiting: [] };
    this.#entries.set(ip, entry);
    return entry;
  }

  #evictOldest(): void {
    const [oldest] = this.#entries;
    if (oldest === undefined) return;
    oldest[1].cancelRetry?.();
    this.#entries.delete(oldest[0]);
  }

  #confirm(entry: Neighbor, mac: MacAddress): void {
    entry.cancelRetry?.();
    entry.cancelRetry = undefined;
    entry.requests = 0;
    entry.mac = mac;
    entry.confirmedNs = this.#options.clock.now();
    const waiting = entry.waiting;
    entry.waiting = [];
    for (const packet of waiting) this.#options.transmitPacket(mac, packet);
  }

  #ask(ip: Ipv4Address, entry: Neighbor): void {
    if (entry.cancelRetry !== undefined) return;
    if (entry.requests >= REQUESTS_MAX) {
      entry.requests = 0;
      if (entry.mac !== undefined) return; // an old address is better than none; the next use asks again
      this.#entries.delete(ip);
      this.#options.onUnreachable(ip);
      return;
    }
    entry.requests++;
    const { clock, mac, ip: senderIp, transmitArp } = this.#options;
    entry.cancelRetry = clock.at(clock.now() + REQUEST_INTERVAL_NS, () => {
      entry.cancelRetry = undefined;
      this.#ask(ip, entry);
    });
    transmitArp(BROADCAST_MAC, {
      operation: ARP_OPERATION.request,
      senderMac: mac,
      senderIp,
      targetMac: 0,
      targetIp: ip,
    });
  }
}
