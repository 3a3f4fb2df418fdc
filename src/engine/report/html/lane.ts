/** A lane of the timeline: a picture over the axis all lanes share. */
import type { Markup } from './markup.ts';
import type { TimeAxis } from './time-axis.ts';

export interface Lane {
  readonly title: string;
  /** In pixels of the picture. */
  readonly height: number;
  draw(axis: TimeAxis, top: number): readonly Markup[];
}

export const ROW = 20;
export const BAR = 14;
export const PLOT = 70;
/** Nothing that happened is thinner than this. */
export const MIN_WIDTH = 1.5;

/** A hundredth of a pixel is enough. */
export const round = (value: number): number => Math.round(value * 100) / 100;
