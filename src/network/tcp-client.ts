/**
 * All TCP connections of one client: local ports, initial sequence numbers, who gets which segment.
 *
 * Invariants:
 * 1. Local ports are handed out in turn, so that one comes back only after all others; initial sequence numbers grow
 *    slowly enough that a port's next use starts after its last ([RFC 9293] 3.4.1): 28,232 ports x 64,000 < 2^31.
 * 2. At most `LINGERING_MAX` connections linger (in TIME_WAIT, or left by their users before the peer has ended); the oldest
 *    makes room.
 */
import type { NetworkClock } from './clock.ts';
import { decodeIpv4Quote, ETHERNET_TCP_MSS, type Ipv4Address, type Ipv4Packet } from './ipv4.ts';
import { TcpConnection, type TcpEndpoint, type TcpHandlers, type TcpWire } from './tcp-connection.ts';
import { decodeTcp, encodeTcp, segmentLength, seqAdd, TCP_FLAG, type TcpSegment } from './tcp-segment.ts';

/** As Linux's ip_local_port_range. */
const FIRST_PORT = 32_768;
const PORTS = 28_232;
const INITIAL_SEQUENCE_STEP = 64_000;
const LINGERING_MAX = 1024;

export interface TcpClientOptions {
  readonly clock: NetworkClock;
  readonly ip: Ipv4Address;
  readonly seed: number;
  readonly transmit: (destination: Ipv4Address, payload: Uint8Array) => void;
  readonly suspect: (address: Ipv4Address) => void;
}

/** Spreads a small seed over 32 bits (the finaliser of MurmurHash3). */
function scramble(seed: number): number {
  let bits = seed | 0;
  bits = Math.imul(bits ^ (bits >>> 16), 0x85eb_ca6b);
  bits = Math.imul(bits ^ (bits >>> 13), 0xc2b2_ae35);
  return (bits ^ (bits >>> 16)) >>> 0;
}

export class TcpClient implements TcpWire {
  readonly clock: NetworkClock;
  readonly mss = ETHERNET_TCP_MSS;
  readonly #options: TcpClientOptions;
  readonly #connections = new Map<number, TcpConnection>();
  readonly #lingering = new Set<TcpConnection>();
  #nextPort: number;
  #nextInitialSequence: number;

  constructor(options: TcpClientOptions) {
    this.#options = options;
    this.clock = options.clock;
    this.#nextPort = scramble(options.seed) % PORTS;
    this.#nextInitialSequence = scramble(options.seed + 1);
  }

  connect(remote: TcpEndpoint, handlers: TcpHandlers): TcpConnection {
    const localPort = this.#takePort();
    const initialSequence = this.#nextInitialSequence;
    this.#nextInitialSequence = seqAdd(initialSequence, INITIAL_SEQUENCE_STEP);
    const connection = new TcpConnection({ wire: this, localPort, remote, initialSequence, handlers });
    this.#connections.set(localPort, connection);
    // Not before the caller has the connection in hand: the first frame goes out at this instant, but as an event.
    this.clock.at(this.clock.now(), () => connection.open());
    return connection;
  }

  #takePort(): number {
    for (let tries = 0; tries < PORTS; tries++) {
      const port = FIRST_PORT + this.#nextPort;
      this.#nextPort = (this.#nextPort + 1) % PORTS;
      if (!this.#connections.has(port)) return port;
    }
    throw new RangeError(`all ${PORTS} local ports are in use`);
  }

  /** False when the segment is not for anyone; it has had its reset then, [RFC 9293] 3.10.7.1. */
  receive(packet: Ipv4Packet): boolean {
    const segment = decodeTcp(packet.payload, packet);
    if (typeof segment === 'string') return false;
    const connection = this.#find(segment.destinationPort, packet.source, segment.sourcePort);
    if (connection === undefined) {
      this.#refuse(packet.source, segment);
      return false;
    }
    connection.receive(segment);
    return true;
  }

  #find(localPort: number, address: Ipv4Address, port: number): TcpConnection | undefined {
    const connection = this.#connections.get(localPort);
    return connection?.remote.address === address && connection.remote.port === port ? connection : undefined;
  }

  #refuse(address: Ipv4Address, segment: TcpSegment): void {
    if ((segment.flags & TCP_FLAG.rst) !== 0) return;
    const acknowledges = (segment.flags & TCP_FLAG.ack) !== 0;
    this.transmit(
      { address, port: segment.sourcePort },
      {
        sourcePort: segment.destinationPort,
        destinationPort: segment.sourcePort,
        sequence: acknowledges ? segment.acknowledgment : 0,
        acknowledgment: acknowledges ? 0 : seqAdd(segment.sequence, segmentLength(segment)),
        flags: acknowledges ? TCP_FLAG.rst : TCP_FLAG.rst | TCP_FLAG.ack,
        window: 0,
        payload: new Uint8Array(0),
      },
    );
  }

  /** An ICMP rejection of a segment of ours, which it quotes: ends a connection that is opening. */
  receiveRejection(quote: Uint8Array): boolean {
    const quoted = decodeIpv4Quote(quote);
    if (quoted === undefined || quoted.source !== this.#options.ip) return false;
    const connection = this.#find(quoted.sourcePort, quoted.destination, quoted.destinationPort);
    connection?.onRejected();
    return connection !== undefined;
  }

  onUnreachable(address: Ipv4Address): void {
    for (const connection of [...this.#connections.values()]) {
      if (connection.remote.address === address) connection.onUnreachable();
    }
  }

  transmit(remote: TcpEndpoint, segment: TcpSegment): void {
    const addresses = { source: this.#options.ip, destination: remote.address };
    this.#options.transmit(remote.address, encodeTcp(segment, addresses));
  }

  suspect(remote: TcpEndpoint): void {
    this.#options.suspect(remote.address);
  }

  linger(connection: TcpConnection): void {
    this.#lingering.add(connection);
    const [oldest] = this.#lingering;
    if (this.#lingering.size > LINGERING_MAX) oldest?.expire();
  }

  release(connection: TcpConnection): void {
    this.#lingering.delete(connection);
    if (this.#connections.get(connection.localPort) === connection) this.#connections.delete(connection.localPort);
  }
}
