/**
 * One TCP connection that we opened: the state machine of [RFC 9293] 3.3.2 without its passive half, with the defences
 * of [RFC 5961] (a reset or a SYN in the window counts only when it is exact).
 *
 * Invariants:
 * 1. A handler is called with the segment fully taken in, so it may write, end or abort.
 * 2. `onClose` is called exactly once, last; after it the connection is silent, apart from acknowledging in TIME_WAIT.
 */
import { type NetworkClock, NS_PER_MS, NS_PER_S } from './clock.ts';
import type { Ipv4Address } from './ipv4.ts';
import { TcpReceiver } from './tcp-receiver.ts';
import { segmentLength, seqAdd, TCP_DEFAULT_MSS, TCP_FLAG, type TcpSegment } from './tcp-segment.ts';
import { type SentSegment, TcpSender } from './tcp-sender.ts';

export type TcpState =
  | 'SYN_SENT'
  | 'ESTABLISHED'
  | 'FIN_WAIT_1'
  | 'FIN_WAIT_2'
  | 'CLOSE_WAIT'
  | 'CLOSING'
  | 'LAST_ACK'
  | 'TIME_WAIT'
  | 'CLOSED';

/**
 * `closed`: both sides ended; `refused`: reset while opening; `reset`: reset later; `timeout`: no acknowledgment for too
 * long; `unreachable`: nobody has the address; `aborted`: by our own `abort`.
 */
export type TcpCloseReason = 'closed' | 'refused' | 'reset' | 'timeout' | 'unreachable' | 'aborted';

export interface TcpHandlers {
  readonly onOpen?: () => void;
  /** The bytes are the handler's to keep. */
  readonly onData?: (bytes: Uint8Array) => void;
  /** The peer has ended its half. */
  readonly onEnd?: () => void;
  /** There is room again after a `write` that took less than it was given. */
  readonly onDrain?: () => void;
  readonly onClose?: (reason: TcpCloseReason) => void;
}

export interface TcpEndpoint {
  readonly address: Ipv4Address;
  readonly port: number;
}

/** What a connection needs of its stack. */
export interface TcpWire {
  readonly clock: NetworkClock;
  readonly mss: number;
  transmit(remote: TcpEndpoint, segment: TcpSegment): void;
  /** Segments get no answer: the address may have moved. */
  suspect(remote: TcpEndpoint): void;
  /** Nobody waits for the connection any more, which is not gone yet: it `expire`s when too many linger. */
  linger(connection: TcpConnection): void;
  /** The connection is gone, its port is free. */
  release(connection: TcpConnection): void;
}

export interface TcpConnectionOptions {
  readonly wire: TcpWire;
  readonly localPort: number;
  readonly remote: TcpEndpoint;
  readonly initialSequence: number;
  readonly handlers: TcpHandlers;
}

/** As Linux's TCP_DELACK_MIN. */
const DELAYED_ACK_NS = 40 * NS_PER_MS;
/** Two maximum segment lifetimes; on one switched link a second is generous. */
const TIME_WAIT_NS = NS_PER_S;
/** How long a peer may say nothing at all between acknowledging our FIN and sending its own. */
const FIN_WAIT_2_IDLE_NS = 120 * NS_PER_S;
const NOTHING = new Uint8Array(0);

export class TcpConnection {
  readonly localPort: number;
  readonly remote: TcpEndpoint;
  readonly #wire: TcpWire;
  readonly #handlers: TcpHandlers;
  readonly #sender: TcpSender;
  #receiver = new TcpReceiver(0);
  #state: TcpState = 'SYN_SENT';
  #paused = false;
  /** Our half was ended. */
  #ended = false;
  /** Its user wants nothing more of it. */
  #left = false;
  #endDelivered = false;
  #closeDelivered = false;
  #ackDue: 'none' | 'delayed' | 'now' = 'none';
  #segmentsUnacknowledged = 0;
  #cancelDelayedAck: (() => void) | undefined;
  #cancelLinger: (() => void) | undefined;

  constructor(options: TcpConnectionOptions) {
    this.localPort = options.localPort;
    this.remote = options.remote;
    this.#wire = options.wire;
    this.#handlers = options.handlers;
    this.#sender = new TcpSender({
      clock: options.wire.clock,
      initialSequence: options.initialSequence,
      emit: (segment) => this.#emit(segment),
      onRetransmit: () => this.#wire.suspect(this.remote),
      onGiveUp: () => this.#close('timeout'),
    });
  }

  get state(): TcpState {
    return this.#state;
  }

  open(): void {
    if (this.#state === 'SYN_SENT') this.#sender.sendSyn();
  }

  /** Queues what there is room for and returns how many bytes that was; before `onOpen` it only queues. */
  write(bytes: Uint8Array): number {
    if (this.#state !== 'ESTABLISHED' && this.#state !== 'CLOSE_WAIT' && this.#state !== 'SYN_SENT') return 0;
    return this.#sender.write(bytes);
  }

  /** Ends our half once everything written is out; the peer may still send. */
  end(): void {
    if (this.#state === 'ESTABLISHED') this.#state = 'FIN_WAIT_1';
    else if (this.#state === 'CLOSE_WAIT') this.#state = 'LAST_ACK';
    else if (this.#state !== 'SYN_SENT') return;
    this.#ended = true;
    this.#sender.finish();
  }

  /** As `end`, by a user who wants nothing more of the peer, which may take its time, or not end at all. */
  leave(): void {
    this.end();
    if (this.#state === 'CLOSED') return;
    this.#left = true;
    this.#wire.linger(this);
  }

  /** Drops everything and resets the peer. */
  abort(): void {
    if (this.#closeDelivered) return;
    if (this.#state !== 'SYN_SENT' && this.#state !== 'CLOSED') {
      this.#transmit(this.#sender.nextSequence, TCP_FLAG.rst | TCP_FLAG.ack, NOTHING);
    }
    this.#close('aborted');
    this.#deliverClose('aborted'); // when it was closed already and only the reader was behind
  }

  /** Stops `onData`; the window closes as data piles up. */
  pause(): void {
    this.#paused = true;
  }

  resume(): void {
    if (!this.#paused) return;
    this.#paused = false;
    this.#deliver();
    if (this.#state !== 'CLOSED' && this.#receiver.windowUpdateDue) this.#acknowledgeNow();
  }

  /** Nobody answers for the peer's address. */
  onUnreachable(): void {
    if (this.#state === 'SYN_SENT') this.#close('unreachable');
  }

  /** A firewall on the way says no. */
  onRejected(): void {
    if (this.#state === 'SYN_SENT') this.#close('refused');
  }

  receive(segment: TcpSegment): void {
    if (this.#state === 'SYN_SENT') this.#receiveWhileOpening(segment);
    else if (this.#state !== 'CLOSED') this.#receiveSynchronized(segment);
  }

  /** [RFC 9293] 3.10.7.3. */
  #receiveWhileOpening(segment: TcpSegment): void {
    const acknowledges = (segment.flags & TCP_FLAG.ack) !== 0;
    const reset = (segment.flags & TCP_FLAG.rst) !== 0;
    if (acknowledges && !this.#sender.acknowledgesSyn(segment.acknowledgment)) {
      // "If SND.UNA < SEG.ACK =< SND.NXT then the ACK is acceptable"; else a reset, so that an old peer lets go.
      if (!reset) this.#transmitBare(segment.acknowledgment, TCP_FLAG.rst);
      return;
    }
    if (!acknowledges) return; // a reset without acknowledgment, or a simultaneous open, which a client has no use for
    if (reset) {
      this.#close('refused');
      return;
    }
    if ((segment.flags & TCP_FLAG.syn) === 0) return;
    this.#receiver = new TcpReceiver(seqAdd(segment.sequence, 1));
    this.#state = this.#ended ? 'FIN_WAIT_1' : 'ESTABLISHED';
    this.#ackDue = 'now';
    this.#sender.onSynAcknowledged(segment, Math.min(this.#wire.mss, segment.mss ?? TCP_DEFAULT_MSS));
    this.#handlers.onOpen?.();
    if (this.#live) this.#sender.output();
    this.#flushAcknowledgment();
  }

  /** [RFC 9293] 3.10.7.4, in its order: sequence, RST, SYN, ACK, data, FIN. */
  #receiveSynchronized(segment: TcpSegment): void {
    const { sequence, flags, payload } = segment;
    if (!this.#receiver.acceptable(sequence, segmentLength(segment))) {
      if ((flags & TCP_FLAG.rst) === 0) this.#receiveUnacceptable(segment);
      return;
    }
    if ((flags & TCP_FLAG.rst) !== 0) {
      if (sequence === this.#receiver.next) this.#close(this.#state === 'TIME_WAIT' ? 'closed' : 'reset');
      else this.#acknowledgeNow(); // challenge, [RFC 5961] 3.2
      return;
    }
    const synchronizes = (flags & TCP_FLAG.syn) !== 0;
    if (!synchronizes && (flags & TCP_FLAG.ack) === 0) return;
    const taken = synchronizes ? 'beyond' : this.#sender.acknowledge(segment);
    if (taken === 'beyond') {
      this.#acknowledgeNow(); // also the challenge to a SYN, [RFC 5961] 4.2
      return;
    }
    this.#takeData(sequence, payload, (flags & TCP_FLAG.fin) !== 0);
    this.#advanceState();
    if (taken === 'drained') this.#handlers.onDrain?.();
    this.#deliver();
    this.#flushAcknowledgment();
  }

  /** Outside the window: an acknowledgment in return. With a closed window its ACK still counts (3.10.7.4). */
  #receiveUnacceptable(segment: TcpSegment): void {
    const inOrder = segment.sequence === this.#receiver.next;
    if (inOrder && (segment.flags & (TCP_FLAG.ack | TCP_FLAG.syn)) === TCP_FLAG.ack) {
      this.#sender.acknowledge(segment);
      this.#advanceState();
    }
    if (this.#state === 'TIME_WAIT') this.#enterTimeWait();
    if (this.#state !== 'CLOSED') this.#acknowledgeNow();
  }

  #takeData(sequence: number, payload: Uint8Array, fin: boolean): void {
    if (payload.length === 0 && !fin) return;
    const hadHole = this.#receiver.outOfOrder;
    const inOrder = this.#receiver.accept(sequence, payload, fin);
    this.#segmentsUnacknowledged++;
    // [RFC 5681] 4.2: at once what is out of order, what fills a hole, and every second segment.
    const hole = hadHole || this.#receiver.outOfOrder;
    const atOnce = !inOrder || fin || hole || this.#segmentsUnacknowledged >= 2;
    this.#ackDue = atOnce ? 'now' : 'delayed';
  }

  #advanceState(): void {
    const finished = this.#sender.finAcknowledged;
    const ended = this.#receiver.finReached;
    switch (this.#state) {
      case 'ESTABLISHED':
        if (ended) this.#state = 'CLOSE_WAIT';
        break;
      case 'FIN_WAIT_1':
        if (finished && ended) this.#enterTimeWait();
        else if (finished) this.#waitForFin();
        else if (ended) this.#state = 'CLOSING';
        break;
      case 'FIN_WAIT_2':
        if (ended) this.#enterTimeWait();
        else this.#waitForFin();
        break;
      case 'CLOSING':
        if (finished) this.#enterTimeWait();
        break;
      case 'LAST_ACK':
        if (finished) this.#close('closed');
        break;
      default:
        break;
    }
  }

  #waitForFin(): void {
    this.#state = 'FIN_WAIT_2';
    this.#linger(FIN_WAIT_2_IDLE_NS, () => this.#close('timeout'));
  }

  #enterTimeWait(): void {
    const entered = this.#state !== 'TIME_WAIT';
    this.#state = 'TIME_WAIT';
    this.#linger(TIME_WAIT_NS, () => this.expire());
    if (entered) this.#wire.linger(this);
  }

  #linger(ns: number, event: () => void): void {
    this.#cancelLinger?.();
    this.#cancelLinger = this.#wire.clock.at(this.#wire.clock.now() + ns, event);
  }

  /** Ends a connection that lingers. */
  expire(): void {
    if (this.#state === 'TIME_WAIT') this.#close('closed');
    else if (this.#left) this.abort();
  }

  #deliver(): void {
    while (!this.#paused && this.#live && this.#receiver.hasReady) {
      const piece = this.#receiver.take();
      if (piece !== undefined) this.#handlers.onData?.(piece);
    }
    if (!this.#live || this.#receiver.hasReady) return;
    if (this.#receiver.finReached && !this.#endDelivered) {
      this.#endDelivered = true;
      this.#handlers.onEnd?.();
    }
    if (this.#state === 'TIME_WAIT' || this.#state === 'CLOSED') this.#deliverClose('closed');
  }

  /** The user has not been told of the end. */
  get #live(): boolean {
    return !this.#closeDelivered;
  }

  #close(reason: TcpCloseReason): void {
    if (this.#state === 'CLOSED') return;
    this.#state = 'CLOSED';
    this.#sender.stop();
    this.#cancelDelayedAck?.();
    this.#cancelLinger?.();
    this.#ackDue = 'none';
    this.#wire.release(this);
    if (reason === 'closed')
      this.#deliver(); // a paused reader first gets what there is
    else this.#deliverClose(reason);
  }

  #deliverClose(reason: TcpCloseReason): void {
    if (this.#closeDelivered) return;
    this.#closeDelivered = true;
    this.#handlers.onClose?.(reason);
  }

  #acknowledgeNow(): void {
    this.#ackDue = 'now';
    this.#flushAcknowledgment();
  }

  #flushAcknowledgment(): void {
    if (this.#state === 'CLOSED' || this.#ackDue === 'none') return;
    if (this.#ackDue === 'now') {
      this.#transmit(this.#sender.nextSequence, TCP_FLAG.ack, NOTHING);
      return;
    }
    const { clock } = this.#wire;
    this.#cancelDelayedAck ??= clock.at(clock.now() + DELAYED_ACK_NS, () => {
      this.#cancelDelayedAck = undefined;
      this.#acknowledgeNow();
    });
  }

  #emit(segment: SentSegment): void {
    const syn = (segment.flags & TCP_FLAG.syn) !== 0;
    if (syn) this.#transmitBare(segment.sequence, segment.flags, this.#wire.mss);
    else this.#transmit(segment.sequence, segment.flags | TCP_FLAG.ack, segment.payload);
  }

  /** Every segment carries the newest acknowledgment, so none is due afterwards. */
  #transmit(sequence: number, flags: number, payload: Uint8Array): void {
    this.#ackDue = 'none';
    this.#segmentsUnacknowledged = 0;
    this.#cancelDelayedAck?.();
    this.#cancelDelayedAck = undefined;
    const { next: acknowledgment } = this.#receiver;
    const window = this.#receiver.advertise();
    const { localPort: sourcePort, remote } = this;
    const destinationPort = remote.port;
    const segment = { sourcePort, destinationPort, sequence, acknowledgment, flags, window, payload };
    this.#wire.transmit(remote, segment);
  }

  /** A segment before there is anything to acknowledge. */
  #transmitBare(sequence: number, flags: number, mss?: number): void {
    const { localPort: sourcePort, remote } = this;
    const window = (flags & TCP_FLAG.rst) === 0 ? this.#receiver.advertise() : 0;
    const ports = { sourcePort, destinationPort: remote.port };
    const segment = { ...ports, sequence, acknowledgment: 0, flags, window, payload: NOTHING };
    this.#wire.transmit(remote, mss === undefined ? segment : { ...segment, mss });
  }
}
