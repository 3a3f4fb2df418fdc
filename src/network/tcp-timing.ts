/** When a TCP sender loses patience and how much it keeps on its way: [RFC 6298] and [RFC 5681]. */
import { NS_PER_MS, NS_PER_S } from './clock.ts';

const RTO_INITIAL_NS = NS_PER_S;
/** As Linux's TCP_RTO_MIN; [RFC 6298] would have a second. */
const RTO_MIN_NS = 200 * NS_PER_MS;
const RTO_MAX_NS = 60 * NS_PER_S;

/** Retransmission timeout from round-trip samples, [RFC 6298] 2 and 5.5. */
export class RetransmissionTimeout {
  #smoothedNs: number | undefined;
  #variationNs = 0;
  #timeoutNs = RTO_INITIAL_NS;

  get ns(): number {
    return this.#timeoutNs;
  }

  sample(roundTripNs: number): void {
    if (this.#smoothedNs === undefined) {
      this.#smoothedNs = roundTripNs;
      this.#variationNs = roundTripNs / 2;
    } else {
      this.#variationNs = (3 * this.#variationNs + Math.abs(this.#smoothedNs - roundTripNs)) / 4;
      this.#smoothedNs = (7 * this.#smoothedNs + roundTripNs) / 8;
    }
    const timeoutNs = Math.round(this.#smoothedNs + 4 * this.#variationNs);
    this.#timeoutNs = Math.min(Math.max(timeoutNs, RTO_MIN_NS), RTO_MAX_NS);
  }

  backOff(): void {
    this.#timeoutNs = Math.min(this.#timeoutNs * 2, RTO_MAX_NS);
  }
}

const INITIAL_WINDOW_SEGMENTS = 10;
const SLOW_START_THRESHOLD_INITIAL = 0x4000_0000;

/** Slow start, congestion avoidance and window reduction, [RFC 5681] 3.1; initial window of [RFC 6928]. */
export class CongestionWindow {
  readonly #mss: number;
  #threshold = SLOW_START_THRESHOLD_INITIAL;
  #bytes: number;

  constructor(mss: number) {
    this.#mss = mss;
    this.#bytes = INITIAL_WINDOW_SEGMENTS * mss;
  }

  get bytes(): number {
    return this.#bytes;
  }

  onAcknowledged(bytes: number): void {
    if (this.#bytes < this.#threshold) this.#bytes += Math.min(bytes, this.#mss);
    else this.#bytes += Math.max(1, Math.floor((this.#mss * this.#mss) / this.#bytes));
  }

  /** Three duplicate acknowledgments: one segment is lost, the rest arrives. */
  onSegmentLost(inFlightBytes: number): void {
    this.#threshold = Math.max(Math.floor(inFlightBytes / 2), 2 * this.#mss);
    this.#bytes = this.#threshold;
  }

  onTimeout(inFlightBytes: number): void {
    this.#threshold = Math.max(Math.floor(inFlightBytes / 2), 2 * this.#mss);
    this.#bytes = this.#mss;
  }
}
