/**
 * What the maintenance guest is owed while production wants the hart, so that it never starves: it earns `percent` of
 * the time it waits for production, and gets it in slices during which production waits. All of it in ticks, as
 * integers, so that the same run is the same schedule.
 */
export interface SharePolicy {
  /** 0..90: of the time in which both want the hart. */
  readonly percent: number;
  readonly sliceTicks: number;
}

/** 5 % in slices of 200 µs: production waits at most that long, each 4 ms. */
export const DEFAULT_SHARE: SharePolicy = { percent: 5, sliceTicks: 2000 };

export const SHARE_PERCENT_MAX = 90;
export const SLICE_TICKS_MIN = 100;
export const SLICE_TICKS_MAX = 100_000;

export class Share {
  policy: SharePolicy = DEFAULT_SHARE;
  /** In hundredths of a tick. */
  #credit = 0;
  #sliceEnd: number | undefined;

  /** Production ran for `ticks` while the maintenance guest wanted to. */
  waited(ticks: number): void {
    const full = this.policy.sliceTicks * 100;
    this.#credit = Math.min(full, this.#credit + ticks * this.policy.percent);
  }

  /** End of the slice the maintenance guest is in at `now`, beginning one when it is owed one. */
  sliceEnd(now: number): number | undefined {
    if (this.#sliceEnd !== undefined && now < this.#sliceEnd) return this.#sliceEnd;
    this.#sliceEnd = undefined;
    if (this.policy.percent === 0 || this.#credit < this.policy.sliceTicks * 100) return undefined;
    this.#credit = 0;
    this.#sliceEnd = now + this.policy.sliceTicks;
    return this.#sliceEnd;
  }

  /** The maintenance guest gave the rest of its slice back. */
  endSlice(): void {
    this.#sliceEnd = undefined;
  }

  /** When a slice will be due if the maintenance guest waits on from `now`; Infinity when it is owed nothing. */
  nextSlice(now: number): number {
    if (this.policy.percent === 0) return Number.POSITIVE_INFINITY;
    return now + Math.ceil((this.policy.sliceTicks * 100 - this.#credit) / this.policy.percent);
  }
}
