/** Where a time of the run lies on the page, and round times to write below. */
export interface TimeAxis {
  readonly toMs: number;
  /** Of the drawing area, in pixels of the picture. */
  readonly left: number;
  readonly width: number;
  x(ms: number): number;
  readonly ticks: readonly number[];
}

const TICKS_MAX = 12;
/** A step between ticks is one of these times a power of ten. */
const ROUND = [1, 2, 5] as const;

export function timeAxis(toMs: number, left: number, width: number): TimeAxis {
  const span = toMs > 0 ? toMs : 1;
  const stepMs = roundStep(span / TICKS_MAX);
  return {
    toMs: span,
    left,
    width,
    x: (ms) => Math.round((left + (ms / span) * width) * 100) / 100,
    ticks: Array.from({ length: Math.floor(span / stepMs) + 1 }, (_, index) => index * stepMs),
  };
}

/** The smallest round number that is not less. */
function roundStep(least: number): number {
  const power = 10 ** Math.floor(Math.log10(least));
  const found = ROUND.find((round) => round * power >= least);
  return found === undefined ? 10 * power : found * power;
}
