/**
 * The receiving half of a TCP connection: puts segments in order and says how much more it can take. [RFC 9293] 3.8.6,
 * 3.10.7.4. Data the reader has paused stays here and narrows the window.
 */
import { seqAdd, seqDiff } from './tcp-segment.ts';

/** The most that fits a window field without scaling, which we do not offer. */
const CAPACITY_BYTES = 65_535;
const OUT_OF_ORDER_SEGMENTS_MAX = 256;

interface HeldSegment {
  readonly sequence: number;
  readonly payload: Uint8Array;
}

export class TcpReceiver {
  /** Next sequence number expected. */
  #next: number;
  #ready: Uint8Array[] = [];
  #readyBytes = 0;
  /** Ahead of `#next`, sorted, may overlap. */
  #held: HeldSegment[] = [];
  #finSequence: number | undefined;
  #finReached = false;
  /** Right edge that was last advertised; it never moves left. */
  #advertisedEdge: number;

  constructor(next: number) {
    this.#next = next;
    this.#advertisedEdge = seqAdd(next, CAPACITY_BYTES);
  }

  get next(): number {
    return this.#next;
  }

  /** The peer's FIN has been reached: no more data. */
  get finReached(): boolean {
    return this.#finReached;
  }

  get outOfOrder(): boolean {
    return this.#held.length > 0;
  }

  /** Window to advertise now. */
  advertise(): number {
    const edge = seqAdd(this.#next, CAPACITY_BYTES - this.#readyBytes);
    if (seqDiff(edge, this.#advertisedEdge) > 0) this.#advertisedEdge = edge;
    return this.#window;
  }

  /** The peer should hear of the room there is: [RFC 9293] 3.8.6.2.2, half of the buffer at least. */
  get windowUpdateDue(): boolean {
    return CAPACITY_BYTES - this.#readyBytes - this.#window >= CAPACITY_BYTES / 2;
  }

  get #window(): number {
    return Math.max(0, seqDiff(this.#advertisedEdge, this.#next));
  }

  /** [RFC 9293] 3.4, table 6: some part of the segment is in the window. */
  acceptable(sequence: number, length: number): boolean {
    const start = seqDiff(sequence, this.#next);
    if (length === 0) return this.#window === 0 ? start === 0 : start >= 0 && start < this.#window;
    return this.#window > 0 && start < this.#window && start + length > 0;
  }

  /** Takes what is new and fits the window; true when the segment was in order and new. */
  accept(sequence: number, payload: Uint8Array, fin: boolean): boolean {
    if (this.#finReached) return false;
    const before = this.#next;
    const fits = Math.max(0, seqDiff(this.#advertisedEdge, sequence));
    const kept = payload.subarray(0, fits);
    if (fin && payload.length <= fits) this.#finSequence = seqAdd(sequence, payload.length);
    if (kept.length > 0 && seqDiff(seqAdd(sequence, kept.length), this.#next) > 0) this.#hold(sequence, kept);
    this.#takeInOrder();
    if (this.#finSequence === this.#next && !this.#finReached) {
      this.#finReached = true;
      this.#next = seqAdd(this.#next, 1);
    }
    return this.#next !== before;
  }

  #hold(sequence: number, payload: Uint8Array): void {
    if (this.#held.length >= OUT_OF_ORDER_SEGMENTS_MAX && seqDiff(sequence, this.#next) > 0) return;
    const at = this.#held.findIndex((held) => seqDiff(held.sequence, sequence) > 0);
    this.#held.splice(at < 0 ? this.#held.length : at, 0, { sequence, payload: payload.slice() });
  }

  #takeInOrder(): void {
    let taken = 0;
    for (const { sequence, payload } of this.#held) {
      const seen = seqDiff(this.#next, sequence);
      if (seen < 0) break;
      taken++;
      if (seen >= payload.length) continue;
      const fresh = payload.subarray(seen);
      this.#ready.push(fresh);
      this.#readyBytes += fresh.length;
      this.#next = seqAdd(this.#next, fresh.length);
    }
    if (taken > 0) this.#held.splice(0, taken);
  }

  /** The next piece of data for the reader. */
  take(): Uint8Array | undefined {
    const piece = this.#ready.shift();
    this.#readyBytes -= piece?.length ?? 0;
    return piece;
  }

  get hasReady(): boolean {
    return this.#ready.length > 0;
  }
}
