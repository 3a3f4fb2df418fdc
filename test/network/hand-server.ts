/**
 * A web server on a TCP of the simplest kind, for tests in virtual time: in-order data only, everything unacknowledged
 * sent again every 300 ms. It shares nothing with the client's TCP but the segment format.
 */
import type { NetworkClock } from '../../src/network/clock.ts';
import { TCP_FLAG, type TcpSegment } from '../../src/network/tcp-segment.ts';
import { HandPeer } from './hand-peer.ts';

const RESEND_NS = 300_000_000;
const MSS = 1000;
const NOTHING = new Uint8Array(0);

interface Flow {
  readonly remotePort: number;
  received: string;
  next: number;
  una: number;
  /** Everything from `una` on that is to be acknowledged; FIN after it. */
  output: Uint8Array;
  finished: boolean;
  /** All of it was acknowledged; only the client's FIN is missing. */
  ended: boolean;
  cancelResend: () => void;
}

export interface HandServerOptions {
  readonly clock: NetworkClock;
  /** Whether what has arrived is a whole request; absent: of HTTP. */
  readonly isRequest?: (received: string) => boolean;
  readonly mac?: string;
  /** What a request is answered with, and when; undefined: never, 'reset': by a reset. `keep`: the connection stays. */
  readonly respond: (
    request: string,
  ) => { readonly text: string; readonly afterNs?: number; readonly keep?: true } | 'reset' | undefined;
}

const isHttpRequest = (received: string): boolean => received.includes('\r\n\r\n');

export class HandServer extends HandPeer {
  /** Refuses connections when false; says nothing at all when undefined. */
  listening: boolean | undefined = true;
  readonly #options: HandServerOptions;
  readonly #flows = new Map<number, Flow>();
  #initial = 1_000_000;

  constructor(options: HandServerOptions) {
    super(options.mac);
    this.#options = options;
    this.onSegment = (segment) => this.#take(segment);
  }

  #take(segment: TcpSegment): void {
    this.segments.length = 0;
    this.packets.length = 0;
    if (this.listening === undefined) return;
    const port = segment.sourcePort;
    const flow = this.#flows.get(port);
    if ((segment.flags & TCP_FLAG.rst) !== 0) this.#forget(port);
    else if ((segment.flags & TCP_FLAG.syn) !== 0) this.#open(segment);
    else if (flow !== undefined) this.#advance(flow, segment);
    else this.#say(port, TCP_FLAG.rst, segment.acknowledgment, 0, NOTHING);
  }

  #open(segment: TcpSegment): void {
    const port = segment.sourcePort;
    const acknowledgment = (segment.sequence + 1) >>> 0;
    if (this.listening !== true) {
      this.#say(port, TCP_FLAG.rst | TCP_FLAG.ack, 0, acknowledgment, NOTHING);
      return;
    }
    const known = this.#flows.get(port);
    const initial = known?.una ?? this.#initial;
    if (known === undefined) this.#initial = (this.#initial + 100_003) >>> 0;
    const una = known?.una ?? (initial + 1) >>> 0;
    const flow = {
      remotePort: port,
      received: '',
      next: acknowledgment,
      una,
      output: NOTHING,
      finished: false,
      ended: false,
      cancelResend: () => {},
    };
    if (known === undefined) this.#flows.set(port, flow);
    this.#say(port, TCP_FLAG.syn | TCP_FLAG.ack, (una - 1) >>> 0, acknowledgment, NOTHING, 1460);
  }

  #advance(flow: Flow, segment: TcpSegment): void {
    const acknowledged = (segment.acknowledgment - flow.una) | 0;
    if (acknowledged > 0) {
      flow.una = segment.acknowledgment;
      if (acknowledged > flow.output.length && flow.finished) {
        flow.cancelResend();
        flow.ended = true;
      }
      flow.output = flow.output.subarray(acknowledged);
    }
    const fin = (segment.flags & TCP_FLAG.fin) !== 0;
    if (flow.ended) {
      if (!fin) return;
      this.#say(
        flow.remotePort,
        TCP_FLAG.ack,
        flow.una,
        (segment.sequence + segment.payload.length + 1) >>> 0,
        NOTHING,
      );
      this.#forget(flow.remotePort);
      return;
    }
    if (segment.payload.length === 0 && !fin) return;
    if (segment.sequence === flow.next) {
      flow.next = (flow.next + segment.payload.length + (fin ? 1 : 0)) >>> 0;
      flow.received += Buffer.from(segment.payload).toString();
      if ((this.#options.isRequest ?? isHttpRequest)(flow.received)) this.#respond(flow);
      if (fin && !flow.finished) this.#finish(flow, NOTHING);
    }
    this.#say(flow.remotePort, TCP_FLAG.ack, this.#end(flow), flow.next, NOTHING);
  }

  #end(flow: Flow): number {
    return (flow.una + flow.output.length + (flow.finished ? 1 : 0)) >>> 0;
  }

  #respond(flow: Flow): void {
    const request = flow.received;
    flow.received = '';
    const answer = this.#options.respond(request);
    if (answer === undefined) return;
    if (answer === 'reset') {
      this.#say(flow.remotePort, TCP_FLAG.rst, flow.una, 0, NOTHING);
      this.#forget(flow.remotePort);
      return;
    }
    const { clock } = this.#options;
    clock.at(clock.now() + (answer.afterNs ?? 0), () => {
      if (this.#flows.get(flow.remotePort) !== flow || flow.finished) return;
      if (answer.keep) this.#send(flow, Buffer.from(answer.text));
      else this.#finish(flow, Buffer.from(answer.text));
    });
  }

  #finish(flow: Flow, output: Uint8Array): void {
    flow.output = output;
    flow.finished = true;
    this.#resend(flow);
  }

  #send(flow: Flow, output: Uint8Array): void {
    flow.output = output;
    for (let offset = 0; offset < output.length; offset += MSS) {
      const payload = output.subarray(offset, offset + MSS);
      this.#say(flow.remotePort, TCP_FLAG.ack, (flow.una + offset) >>> 0, flow.next, payload);
    }
  }

  /** Ends every connection that waits for a request. */
  endIdle(): void {
    for (const flow of this.#flows.values())
      if (!flow.finished && flow.output.length === 0) this.#finish(flow, NOTHING);
  }

  #resend(flow: Flow): void {
    const { clock } = this.#options;
    if (this.listening !== undefined) {
      this.#send(flow, flow.output);
      this.#say(
        flow.remotePort,
        TCP_FLAG.fin | TCP_FLAG.ack,
        (flow.una + flow.output.length) >>> 0,
        flow.next,
        NOTHING,
      );
    }
    flow.cancelResend = clock.at(clock.now() + RESEND_NS, () => this.#resend(flow));
  }

  #forget(port: number): void {
    this.#flows.get(port)?.cancelResend();
    this.#flows.delete(port);
  }

  #say(port: number, flags: number, sequence: number, acknowledgment: number, payload: Uint8Array, mss?: number): void {
    const ports = { sourcePort: 80, destinationPort: port };
    const segment = { ...ports, sequence, acknowledgment, flags, window: 65_535, payload };
    this.sendSegment(mss === undefined ? segment : { ...segment, mss });
  }
}
