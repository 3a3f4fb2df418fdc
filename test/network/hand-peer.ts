/**
 * The other end of the wire, moved by hand: a computer that answers ARP and otherwise only shows what it received and
 * sends what it is told. Encodes nothing by itself that a test does not say.
 */
import { type ArpPacket, decodeArp, encodeArp } from '../../src/network/arp.ts';
import { ClientStack } from '../../src/network/client-stack.ts';
import {
  BROADCAST_MAC,
  decodeFrame,
  ETHERTYPE,
  type EthernetPort,
  encodeFrame,
  parseMac,
} from '../../src/network/ethernet.ts';
import { EthernetSwitch } from '../../src/network/ethernet-switch.ts';
import { decodeIpv4, encodeIpv4, IP_PROTOCOL, parseIpv4 } from '../../src/network/ipv4.ts';
import type { TcpCloseReason, TcpConnection } from '../../src/network/tcp-connection.ts';
import { decodeTcp, encodeTcp, TCP_FLAG, type TcpSegment } from '../../src/network/tcp-segment.ts';
import { VirtualClock } from './virtual-clock.ts';

const HOP_NS = 10_000;
export const CLIENT_IP = '10.0.0.1';
export const PEER_IP = '10.0.0.10';
export const CLIENT_MAC = '52:54:00:00:00:01';
export const PEER_MAC = '52:54:00:00:00:0a';

export class HandPeer implements EthernetPort {
  onTransmit: (frame: Uint8Array) => void = () => {};
  answersArp = true;
  /** Everything that came in, oldest first; tests take from the front. */
  readonly segments: TcpSegment[] = [];
  readonly arps: ArpPacket[] = [];
  readonly packets: { readonly protocol: number; readonly payload: Uint8Array }[] = [];
  readonly mac: number;
  readonly ip: number;
  onSegment: ((segment: TcpSegment) => void) | undefined;

  constructor(mac = PEER_MAC, ip = PEER_IP) {
    this.mac = parseMac(mac);
    this.ip = parseIpv4(ip);
  }

  receive(bytes: Uint8Array): void {
    const frame = decodeFrame(bytes);
    if (frame === undefined || (frame.destination !== this.mac && frame.destination !== BROADCAST_MAC)) return;
    if (frame.etherType === ETHERTYPE.arp) this.#receiveArp(frame.payload);
    const packet = frame.etherType === ETHERTYPE.ipv4 ? decodeIpv4(frame.payload) : 'not IPv4';
    if (typeof packet === 'string' || packet.destination !== this.ip) return;
    this.packets.push(packet);
    if (packet.protocol !== IP_PROTOCOL.tcp) return;
    const segment = decodeTcp(packet.payload, packet);
    if (typeof segment === 'string') throw new Error(`the client sent a segment that is ${segment}`);
    this.segments.push(segment);
    this.onSegment?.(segment);
  }

  #receiveArp(bytes: Uint8Array): void {
    const packet = decodeArp(bytes);
    if (packet === undefined) throw new Error('the client sent a strange ARP packet');
    this.arps.push(packet);
    if (packet.operation !== 1 || packet.targetIp !== this.ip || !this.answersArp) return;
    this.sendArp({
      operation: 2,
      senderMac: this.mac,
      senderIp: this.ip,
      targetMac: packet.senderMac,
      targetIp: packet.senderIp,
    });
  }

  sendArp(packet: ArpPacket, destination = packet.targetMac): void {
    this.#frame(ETHERTYPE.arp, encodeArp(packet), destination);
  }

  /** `tamper` may spoil the finished packet. */
  sendPacket(protocol: number, payload: Uint8Array, tamper: (packet: Uint8Array) => void = () => {}): void {
    const packet = encodeIpv4({ source: this.ip, destination: parseIpv4(CLIENT_IP), protocol, payload }, 1);
    tamper(packet);
    this.#frame(ETHERTYPE.ipv4, packet, parseMac(CLIENT_MAC));
  }

  sendSegment(segment: TcpSegment, tamper?: (packet: Uint8Array) => void): void {
    const payload = encodeTcp(segment, { source: this.ip, destination: parseIpv4(CLIENT_IP) });
    this.sendPacket(IP_PROTOCOL.tcp, payload, tamper);
  }

  #frame(etherType: number, payload: Uint8Array, destination: number): void {
    this.onTransmit(encodeFrame({ destination, source: this.mac, etherType, payload }));
  }
}

export interface SegmentText {
  readonly flags: string;
  /** Relative to the client's initial sequence number. */
  readonly seq: number;
  /** Relative to the peer's initial sequence number. */
  readonly ack: number;
  readonly data: string;
}

const FLAG_LETTERS = [
  ['S', TCP_FLAG.syn],
  ['F', TCP_FLAG.fin],
  ['R', TCP_FLAG.rst],
  ['.', TCP_FLAG.ack],
] as const;

/** A client, one connection and a peer moved by hand. Sequence numbers are relative, as tcpdump prints them. */
export class Scene {
  readonly clock = new VirtualClock();
  readonly ethernet = new EthernetSwitch({ clock: this.clock, latencyNs: HOP_NS });
  readonly peer = new HandPeer();
  readonly stack: ClientStack;
  readonly events: string[] = [];
  connection!: TcpConnection;
  window = 65_535;
  peerInitial = 0xffff_fff0; // wraps soon
  #clientInitial = 0;
  #clientPort = 0;

  constructor(seed = 1) {
    this.stack = new ClientStack({ clock: this.clock, mac: CLIENT_MAC, address: `${CLIENT_IP}/24`, seed });
    this.ethernet.attach(this.stack);
    this.ethernet.attach(this.peer);
  }

  run(ms: number): void {
    this.clock.run(this.clock.now() + ms * 1e6);
  }

  connect(port = 80): void {
    const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString();
    this.connection = this.stack.connect(
      { address: PEER_IP, port },
      {
        onOpen: () => this.events.push('open'),
        onData: (bytes) => this.events.push(`data ${text(bytes)}`),
        onEnd: () => this.events.push('end'),
        onDrain: () => this.events.push('drain'),
        onClose: (reason: TcpCloseReason) => this.events.push(`close ${reason}`),
      },
    );
    this.run(1);
    const syn = this.peer.segments[0];
    if (syn === undefined) return;
    this.#clientInitial = syn.sequence;
    this.#clientPort = syn.sourcePort;
  }

  /** Opened, with nothing left in `events` or `received`. */
  static opened(mss: number | null = 1460, window = 65_535): Scene {
    const scene = new Scene();
    scene.window = window;
    scene.connect();
    scene.send('S.', 0, 1, '', mss === null ? {} : { mss });
    scene.run(1);
    scene.received();
    scene.events.length = 0;
    return scene;
  }

  send(
    flags: string,
    seq: number,
    ack: number,
    data = '',
    more: { readonly mss?: number; readonly tamper?: (packet: Uint8Array) => void } = {},
  ): void {
    const bits = FLAG_LETTERS.reduce((sum, [letter, bit]) => (flags.includes(letter) ? sum | bit : sum), 0);
    const segment = {
      sourcePort: 80,
      destinationPort: this.#clientPort,
      sequence: (this.peerInitial + seq) >>> 0,
      acknowledgment: flags.includes('.') ? (this.#clientInitial + ack) >>> 0 : 0,
      flags: bits,
      window: this.window,
      payload: Buffer.from(data),
    };
    this.peer.sendSegment(more.mss === undefined ? segment : { ...segment, mss: more.mss }, more.tamper);
  }

  /** What the peer has received since it was asked last. */
  received(): readonly SegmentText[] {
    return this.peer.segments.splice(0).map((segment) => ({
      flags: FLAG_LETTERS.map(([letter, bit]) => ((segment.flags & bit) === 0 ? '' : letter)).join(''),
      seq: (segment.sequence - this.#clientInitial) | 0,
      ack: (segment.flags & TCP_FLAG.ack) === 0 ? 0 : (segment.acknowledgment - this.peerInitial) | 0,
      data: Buffer.from(segment.payload).toString(),
    }));
  }

  /** The same as one line a segment: `F. 1:1 2 data`. */
  receivedLines(): readonly string[] {
    return this.received().map(({ flags, seq, ack, data }) => `${flags} ${seq} ${ack} ${data}`.trimEnd());
  }

  takeEvents(): readonly string[] {
    return this.events.splice(0);
  }
}
