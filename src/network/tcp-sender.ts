/**
 * The sending half of a TCP connection: SYN, data and FIN until they are acknowledged. [RFC 9293] 3.8 (windows, persist
 * timer), [RFC 6298] (retransmission), [RFC 5681] and [RFC 6582] (loss). No Nagle delay: requests go out at once.
 *
 * Invariant: `una` <= `#next` <= `#highest` in sequence order; bytes [una, una + queue) are kept.
 */
import { ByteQueue } from './byte-queue.ts';
import type { NetworkClock } from './clock.ts';
import { seqAdd, seqDiff, TCP_DEFAULT_MSS, TCP_FLAG, type TcpSegment } from './tcp-segment.ts';
import { CongestionWindow, RetransmissionTimeout } from './tcp-timing.ts';

const SYN_RETRIES_MAX = 6;
const RETRIES_MAX = 12;
const DUPLICATE_ACKS = 3;
const QUEUE_BYTES_MAX = 256 * 1024;
/** Room that must be free again before a writer that was refused is called. */
const QUEUE_LOW_BYTES = QUEUE_BYTES_MAX / 2;

export interface SentSegment {
  readonly sequence: number;
  /** SYN, FIN, PSH; the connection adds ACK. */
  readonly flags: number;
  readonly payload: Uint8Array;
}

export interface TcpSenderOptions {
  readonly clock: NetworkClock;
  readonly initialSequence: number;
  readonly emit: (segment: SentSegment) => void;
  /** Something had to be sent again. */
  readonly onRetransmit: () => void;
  /** The peer has not acknowledged anything for too long. */
  readonly onGiveUp: () => void;
}

const NOTHING = new Uint8Array(0);

export class TcpSender {
  readonly #options: TcpSenderOptions;
  readonly #queue = new ByteQueue();
  readonly #timeout = new RetransmissionTimeout();
  #congestion = new CongestionWindow(TCP_DEFAULT_MSS);
  #mss = TCP_DEFAULT_MSS;
  /** Oldest sequence number not acknowledged. */
  #una: number;
  #next: number;
  #highest: number;
  #peerWindow = 0;
  #windowSequence = 0;
  #windowAcknowledgment = 0;
  #synAcknowledged = false;
  #finQueued = false;
  #finAcknowledged = false;
  #duplicateAcks = 0;
  #recoverUntil: number | undefined;
  #retries = 0;
  /** One segment is timed at a time; none that was sent twice ([RFC 6298] 3, Karn). */
  #timed: { readonly end: number; readonly sentNs: number } | undefined;
  #writerWaits = false;
  #timer: { readonly kind: 'retransmit' | 'persist'; readonly cancel: () => void } | undefined;

  constructor(options: TcpSenderOptions) {
    this.#options = options;
    this.#una = options.initialSequence;
    this.#next = this.#una;
    this.#highest = this.#una;
  }

  get nextSequence(): number {
    return this.#next;
  }

  get finAcknowledged(): boolean {
    return this.#finAcknowledged;
  }

  /** Everything written was acknowledged. */
  get idle(): boolean {
    return this.#queue.bytes === 0;
  }

  /** An acknowledgment of the SYN, no more and no less. */
  acknowledgesSyn(acknowledgment: number): boolean {
    return acknowledgment === seqAdd(this.#options.initialSequence, 1);
  }

  sendSyn(): void {
    this.#next = seqAdd(this.#options.initialSequence, 1);
    this.#highest = this.#next;
    if (this.#retries === 0) this.#timed = { end: this.#next, sentNs: this.#options.clock.now() };
    this.#options.emit({ sequence: this.#options.initialSequence, flags: TCP_FLAG.syn, payload: NOTHING });
    this.#restartTimer();
  }

  onSynAcknowledged(segment: TcpSegment, mss: number): void {
    this.#synAcknowledged = true;
    this.#mss = mss;
    this.#congestion = new CongestionWindow(mss);
    this.#takeSample(segment.acknowledgment);
    this.#una = segment.acknowledgment;
    this.#retries = 0;
    this.#setWindow(segment);
    this.#restartTimer();
  }

  /** Takes as many bytes as there is room for and says how many; `drained` tells when there is room again. */
  write(bytes: Uint8Array): number {
    const taken = this.#finQueued ? 0 : Math.min(bytes.length, QUEUE_BYTES_MAX - this.#queue.bytes);
    this.#queue.push(bytes.subarray(0, taken));
    if (taken < bytes.length) this.#writerWaits = true;
    this.output();
    return taken;
  }

  finish(): void {
    this.#finQueued = true;
    this.output();
  }

  stop(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  /**
   * Takes the acknowledgment and window of a segment that is in the receive window. `beyond`: it acknowledges what was
   * never sent.
   */
  acknowledge(segment: TcpSegment): 'beyond' | 'drained' | 'taken' {
    const { acknowledgment } = segment;
    if (seqDiff(acknowledgment, this.#highest) > 0) return 'beyond';
    const advance = seqDiff(acknowledgment, this.#una);
    if (advance < 0) return 'taken';
    if (this.#timer?.kind === 'persist') this.#retries = 0; // a peer that answers probes is alive
    const windowBefore = this.#peerWindow;
    this.#takeWindow(segment);
    if (advance > 0) this.#advance(acknowledgment, advance);
    else if (segment.payload.length === 0 && windowBefore === this.#peerWindow && this.#inFlight > 0) {
      this.#countDuplicate();
    }
    this.output();
    const drained = this.#writerWaits && this.#queue.bytes <= QUEUE_LOW_BYTES;
    if (drained) this.#writerWaits = false;
    return drained ? 'drained' : 'taken';
  }

  get #inFlight(): number {
    return seqDiff(this.#next, this.#una);
  }

  /** [RFC 9293] 3.10.7.4: an old segment must not bring back an old window. */
  #takeWindow(segment: TcpSegment): void {
    const newer = seqDiff(segment.sequence, this.#windowSequence);
    const newerAcknowledgment = seqDiff(segment.acknowledgment, this.#windowAcknowledgment);
    if (newer > 0 || (newer === 0 && newerAcknowledgment >= 0)) this.#setWindow(segment);
  }

  #setWindow(segment: TcpSegment): void {
    this.#peerWindow = segment.window;
    this.#windowSequence = segment.sequence;
    this.#windowAcknowledgment = segment.acknowledgment;
  }

  #takeSample(acknowledgment: number): void {
    if (this.#timed === undefined || seqDiff(acknowledgment, this.#timed.end) < 0) return;
    this.#timeout.sample(this.#options.clock.now() - this.#timed.sentNs);
    this.#timed = undefined;
  }

  #advance(acknowledgment: number, advance: number): void {
    this.#takeSample(acknowledgment);
    const bytes = Math.min(advance, this.#queue.bytes);
    if (advance > bytes) this.#finAcknowledged = true;
    this.#queue.drop(bytes);
    this.#una = acknowledgment;
    if (seqDiff(this.#next, this.#una) < 0) this.#next = this.#una;
    this.#retries = 0;
    this.#duplicateAcks = 0;
    if (this.#recoverUntil === undefined) this.#congestion.onAcknowledged(bytes);
    else if (seqDiff(acknowledgment, this.#recoverUntil) >= 0) this.#recoverUntil = undefined;
    else this.#resendFirst(); // a partial acknowledgment: the next hole, [RFC 6582]
    this.#restartTimer();
  }

  #countDuplicate(): void {
    this.#duplicateAcks++;
    if (this.#duplicateAcks !== DUPLICATE_ACKS || this.#recoverUntil !== undefined) return;
    this.#recoverUntil = this.#highest;
    this.#congestion.onSegmentLost(this.#inFlight);
    this.#resendFirst();
  }

  #resendFirst(): void {
    this.#timed = undefined;
    this.#options.onRetransmit();
    const bytes = Math.min(this.#queue.bytes, this.#mss, this.#inFlight);
    this.#emitData(this.#una, bytes);
  }

  /** Sends what the windows allow. */
  output(): void {
    if (!this.#synAcknowledged) return;
    for (;;) {
      const unsent = this.#queue.bytes - this.#inFlight;
      if (unsent < 0) break; // the FIN is out
      const room = Math.min(this.#congestion.bytes, this.#peerWindow) - this.#inFlight;
      let bytes = Math.max(0, Math.min(unsent, this.#mss, room));
      // Silly window avoidance: a short segment in mid-stream only when nothing else is on its way.
      if (bytes < unsent && bytes < this.#mss && this.#inFlight > 0) bytes = 0;
      const fin = this.#finQueued && !this.#finAcknowledged && bytes === unsent && room > bytes;
      if (bytes === 0 && !fin) break;
      const sequence = this.#next;
      this.#next = seqAdd(sequence, bytes + (fin ? 1 : 0));
      if (seqDiff(this.#next, this.#highest) > 0) {
        this.#highest = this.#next;
        this.#timed ??= { end: this.#next, sentNs: this.#options.clock.now() };
      }
      this.#emitData(sequence, bytes);
    }
    if (this.#timer === undefined || (this.#timer.kind === 'persist') !== this.#mustPersist) this.#restartTimer();
  }

  /** Emits `bytes` queued bytes from `sequence`, with the FIN when it comes right after them and is due. */
  #emitData(sequence: number, bytes: number): void {
    const offset = seqDiff(sequence, this.#una);
    const last = offset + bytes === this.#queue.bytes;
    const fin = last && seqDiff(this.#next, seqAdd(this.#una, this.#queue.bytes)) > 0;
    const flags = (fin ? TCP_FLAG.fin : 0) | (bytes > 0 && last ? TCP_FLAG.psh : 0);
    this.#options.emit({ sequence, flags, payload: this.#queue.slice(offset, bytes) });
  }

  /** Nothing is on its way, something waits, and the peer has no window. */
  get #mustPersist(): boolean {
    if (!this.#synAcknowledged || this.#inFlight > 0) return false;
    return this.#queue.bytes > 0 || (this.#finQueued && !this.#finAcknowledged);
  }

  #restartTimer(): void {
    this.stop();
    const kind = this.#inFlight > 0 ? 'retransmit' : this.#mustPersist ? 'persist' : undefined;
    if (kind === undefined) return;
    const { clock } = this.#options;
    const cancel = clock.at(clock.now() + this.#timeout.ns, () => {
      this.#timer = undefined;
      if (kind === 'retransmit') this.#onTimeout();
      else this.#probeWindow();
    });
    this.#timer = { kind, cancel };
  }

  #onTimeout(): void {
    if (this.#exhausted(this.#synAcknowledged ? RETRIES_MAX : SYN_RETRIES_MAX)) return;
    this.#timeout.backOff();
    this.#timed = undefined;
    this.#options.onRetransmit();
    if (!this.#synAcknowledged) {
      this.sendSyn();
      return;
    }
    this.#congestion.onTimeout(this.#inFlight);
    this.#recoverUntil = undefined;
    this.#duplicateAcks = 0;
    this.#next = this.#una; // go back; what arrived meanwhile is skipped by the next acknowledgment
    this.output();
  }

  /** One byte (or the FIN) beyond the window, so that a lost window update does not end everything. */
  #probeWindow(): void {
    if (this.#exhausted(RETRIES_MAX)) return;
    this.#timeout.backOff();
    this.#timed = undefined;
    const probe = this.#queue.bytes > 0 ? 1 : 0;
    const end = seqAdd(this.#una, 1);
    if (seqDiff(end, this.#highest) > 0) this.#highest = end;
    const flags = probe === 0 ? TCP_FLAG.fin : 0;
    this.#options.emit({ sequence: this.#una, flags, payload: this.#queue.slice(0, probe) });
    this.#restartTimer();
  }

  #exhausted(retriesMax: number): boolean {
    this.#retries++;
    if (this.#retries <= retriesMax) return false;
    this.#options.onGiveUp();
    return true;
  }
}
