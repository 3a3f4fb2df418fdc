/**
 * A computer with one Ethernet port that only ever opens connections: ARP, IPv4, ICMP echo and TCP on one link. All that
 * varies is given: clock, addresses, seed; same inputs at the same times, same frames out.
 */
import { ARP_OPERATION, type ArpPacket, decodeArp, encodeArp } from './arp.ts';
import type { NetworkClock } from './clock.ts';
import {
  BROADCAST_MAC,
  decodeFrame,
  ETHERTYPE,
  type EthernetPort,
  encodeFrame,
  type MacAddress,
  parseMac,
} from './ethernet.ts';
import { decodeIcmp, encodeIcmp, ICMP_TYPE } from './icmp.ts';
import {
  decodeIpv4,
  encodeIpv4,
  formatIpv4,
  IP_PROTOCOL,
  type Ipv4Address,
  type Ipv4Packet,
  parseIpv4,
} from './ipv4.ts';
import { Neighbors } from './neighbors.ts';
import { TcpClient } from './tcp-client.ts';
import type { TcpConnection, TcpHandlers } from './tcp-connection.ts';

export interface ClientStackOptions {
  readonly clock: NetworkClock;
  /** `52:54:00:…`; bit 1 of the first byte should be set (locally administered). */
  readonly mac: string;
  /** Address and prefix length, `10.0.2.2/24`. There is no router: only this link can be reached. */
  readonly address: string;
  /** Chooses the first local port and the first initial sequence number. */
  readonly seed: number;
}

export interface ClientStackCounters {
  readonly framesIn: number;
  readonly framesOut: number;
  /** Not decodable, wrong checksum, a fragment, or for someone else. */
  readonly dropped: number;
}

const PINGS_MAX = 1024;
const PING_IDENTIFIER = 0x4d56;
/** Code of an ICMP destination-unreachable message that a firewall's "reject" sends. */
const PORT_UNREACHABLE = 3;
const ADMINISTRATIVELY_PROHIBITED = 13;

export class ClientStack implements EthernetPort {
  onTransmit: (frame: Uint8Array) => void = () => {};
  readonly clock: NetworkClock;
  readonly #mac: MacAddress;
  readonly #ip: Ipv4Address;
  readonly #mask: number;
  readonly #neighbors: Neighbors;
  readonly #tcp: TcpClient;
  readonly #counters = { framesIn: 0, framesOut: 0, dropped: 0 };
  readonly #pings = new Map<number, () => void>();
  #identification = 0;
  #pingSequence = 0;

  constructor(options: ClientStackOptions) {
    this.clock = options.clock;
    this.#mac = parseMac(options.mac);
    const [ip = '', prefix = ''] = options.address.split('/');
    this.#ip = parseIpv4(ip);
    const prefixLength = Number(prefix);
    if (!Number.isInteger(prefixLength) || prefixLength < 1 || prefixLength > 30) {
      throw new RangeError(`an address with its prefix looks like 10.0.2.2/24, not '${options.address}'`);
    }
    this.#mask = (0xffff_ffff << (32 - prefixLength)) >>> 0;
    this.#neighbors = new Neighbors({
      clock: this.clock,
      mac: this.#mac,
      ip: this.#ip,
      transmitArp: (destination, packet) => this.#transmitArp(destination, packet),
      transmitPacket: (destination, packet) => this.#transmitFrame(destination, ETHERTYPE.ipv4, packet),
      onUnreachable: (address) => this.#tcp.onUnreachable(address),
    });
    this.#tcp = new TcpClient({
      clock: this.clock,
      ip: this.#ip,
      seed: options.seed,
      transmit: (destination, payload) => this.#transmitIpv4(destination, IP_PROTOCOL.tcp, payload),
      suspect: (address) => this.#neighbors.suspect(address),
    });
  }

  get counters(): ClientStackCounters {
    return { ...this.#counters };
  }

  /** MAC address that an IPv4 address is sent to now, if known. */
  neighborOf(address: string): MacAddress | undefined {
    return this.#neighbors.macOf(parseIpv4(address));
  }

  /**
   * Opens a TCP connection; everything about it is told to `handlers`, never before this returns.
   * @throws RangeError for an address off this link or a port that is none.
   */
  connect(remote: { readonly address: string; readonly port: number }, handlers: TcpHandlers): TcpConnection {
    const { port } = remote;
    if (!Number.isInteger(port) || port < 1 || port > 0xffff)
      throw new RangeError(`a TCP port is 1 to 65535, not ${port}`);
    return this.#tcp.connect({ address: this.#onLink(remote.address), port }, handlers);
  }

  /** One ICMP echo; `done` gets the round trip, or undefined when no reply came within `timeoutNs`. */
  ping(address: string, timeoutNs: number, done: (roundTripNs: number | undefined) => void): void {
    const to = this.#onLink(address);
    if (this.#pings.size >= PINGS_MAX) throw new RangeError(`more than ${PINGS_MAX} pings at once`);
    const { clock } = this;
    const sequence = this.#pingSequence;
    this.#pingSequence = (sequence + 1) & 0xffff;
    const sentNs = clock.now();
    const cancel = clock.at(sentNs + timeoutNs, () => {
      this.#pings.delete(sequence);
      done(undefined);
    });
    this.#pings.set(sequence, () => {
      this.#pings.delete(sequence);
      cancel();
      done(clock.now() - sentNs);
    });
    const rest = PING_IDENTIFIER * 0x1_0000 + sequence;
    const message = { type: ICMP_TYPE.echoRequest, code: 0, rest, payload: new Uint8Array(0) };
    this.#transmitIpv4(to, IP_PROTOCOL.icmp, encodeIcmp(message));
  }

  receive(frame: Uint8Array): void {
    this.#counters.framesIn++;
    if (!this.#take(frame)) this.#counters.dropped++;
  }

  #onLink(text: string): Ipv4Address {
    const address = parseIpv4(text);
    if (((address ^ this.#ip) & this.#mask) === 0 && address !== this.#ip) return address;
    throw new RangeError(`${text} is not a neighbour of ${formatIpv4(this.#ip)} on this link`);
  }

  #take(bytes: Uint8Array): boolean {
    const frame = decodeFrame(bytes);
    if (frame === undefined || (frame.destination !== this.#mac && frame.destination !== BROADCAST_MAC)) return false;
    if (frame.etherType === ETHERTYPE.arp) {
      const packet = decodeArp(frame.payload);
      if (packet !== undefined) this.#neighbors.receive(packet);
      return packet !== undefined;
    }
    if (frame.etherType !== ETHERTYPE.ipv4) return false;
    const packet = decodeIpv4(frame.payload);
    if (typeof packet === 'string' || packet.destination !== this.#ip) return false;
    if (packet.protocol === IP_PROTOCOL.tcp) return this.#tcp.receive(packet);
    return packet.protocol === IP_PROTOCOL.icmp && this.#takeIcmp(packet);
  }

  #takeIcmp(packet: Ipv4Packet): boolean {
    const message = decodeIcmp(packet.payload);
    if (message === undefined) return false;
    switch (message.type) {
      case ICMP_TYPE.echoRequest: {
        const reply = encodeIcmp({ ...message, type: ICMP_TYPE.echoReply });
        this.#transmitIpv4(packet.source, IP_PROTOCOL.icmp, reply);
        return true;
      }
      case ICMP_TYPE.echoReply: {
        const answered = message.rest >>> 16 === PING_IDENTIFIER ? this.#pings.get(message.rest & 0xffff) : undefined;
        answered?.();
        return answered !== undefined;
      }
      case ICMP_TYPE.destinationUnreachable: {
        const final = message.code === PORT_UNREACHABLE || message.code === ADMINISTRATIVELY_PROHIBITED;
        return final && this.#tcp.receiveRejection(message.payload);
      }
      default:
        return false;
    }
  }

  #transmitIpv4(destination: Ipv4Address, protocol: number, payload: Uint8Array): void {
    this.#identification = (this.#identification + 1) & 0xffff;
    const packet = { source: this.#ip, destination, protocol, payload };
    this.#neighbors.send(destination, encodeIpv4(packet, this.#identification));
  }

  #transmitArp(destination: MacAddress, packet: ArpPacket): void {
    this.#transmitFrame(destination, ETHERTYPE.arp, encodeArp(packet));
  }

  /** Announces our own address, as an interface does when it comes up. */
  announce(): void {
    const own = { senderMac: this.#mac, senderIp: this.#ip, targetMac: 0, targetIp: this.#ip };
    this.#transmitArp(BROADCAST_MAC, { operation: ARP_OPERATION.request, ...own });
  }

  #transmitFrame(destination: MacAddress, etherType: number, payload: Uint8Array): void {
    this.#counters.framesOut++;
    this.onTransmit(encodeFrame({ destination, source: this.#mac, etherType, payload }));
  }
}
