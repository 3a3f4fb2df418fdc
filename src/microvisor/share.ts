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

/** How far a share is. */
export interface ShareState {
  readonly credit: number;
  /** Infinity: no slice is on. */
  readonly sliceEnd: number;
  readonly left: number;
}

export class Share {
  policy: SharePolicy;
  /** In hundredths of a tick. */
  #credit = 0;
  #sliceEnd: number | undefined;
  /** Ticks of a slice that it gave back by waiting, or did not need: its as soon as it wants the hart again. */
  #left = 0;

  constructor(policy: SharePolicy = DEFAULT_SHARE) {
    this.policy = policy;
  }

  get state(): ShareState {
    return { credit: this.#credit, sliceEnd: this.#sliceEnd ?? Number.POSITIVE_INFINITY, left: this.#left };
  }

  set state({ credit, sliceEnd, left }: ShareState) {
    this.#credit = credit;
    this.#sliceEnd = Number.isFinite(sliceEnd) ? sliceEnd : undefined;
    this.#left = left;
  }

  /** Production ran for `ticks` while the maintenance guest wanted to. */
  waited(ticks: number): void {
    const full = this.policy.sliceTicks * 100;
    this.#credit = Math.min(full, this.#credit + ticks * this.policy.percent);
  }

  /** End of the slice the maintenance guest is in at `now`, beginning one when it is owed one. */
  sliceEnd(now: number): number | undefined {
    if (this.#sliceEnd !== undefined && now < this.#sliceEnd) return this.#sliceEnd;
    this.#sliceEnd = undefined;
    if (this.#left === 0) this.#earnSlice();
    if (this.#left === 0) return undefined;
    this.#sliceEnd = now + this.#left;
    this.#left = 0;
    return this.#sliceEnd;
  }

  #earnSlice(): void {
    if (this.policy.percent === 0 || this.#credit < this.policy.sliceTicks * 100) return;
    this.#credit = 0;
    this.#left = this.policy.sliceTicks;
  }

  /** At `now` only one of the two wants the hart: the slice goes on when both do again. */
  suspendSlice(now: number): void {
    if (this.#sliceEnd === undefined) return;
    this.#left = Math.max(0, this.#sliceEnd - now);
    this.#sliceEnd = undefined;
  }

  /** Nothing is owed: another guest has become the one with a share, or the policy is another. */
  reset(policy: SharePolicy = this.policy): void {
    this.policy = policy;
    this.#credit = 0;
    this.#sliceEnd = undefined;
    this.#left = 0;
  }

  /** When a slice will be due if the maintenance guest waits on from `now`; Infinity when it is owed nothing. */
  nextSlice(now: number): number {
    if (this.policy.percent === 0) return Number.POSITIVE_INFINITY;
    return now + Math.ceil((this.policy.sliceTicks * 100 - this.#credit) / this.policy.percent);
  }
}
