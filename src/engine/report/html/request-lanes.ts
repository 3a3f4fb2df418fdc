/** What the prober saw: which requests failed, and how long the answers took. */
import type { Report, ReportRequestSeries } from '../../generated/report.ts';
import { formatMs } from '../../values/duration.ts';
import { BAR, type Lane, MIN_WIDTH, PLOT, ROW, round } from './lane.ts';
import { type Markup, markup } from './markup.ts';
import type { TimeAxis } from './time-axis.ts';

/** A microsecond: what a report rounds to. */
const LATENCY_MS_MIN = 1e-3;

export function requestLanes({ timeline, service }: Report): readonly Lane[] {
  const series = timeline?.requests;
  if (!series || series.requests.length === 0) return [];
  const perBin = service && series.binMs > service.resolutionMs ? `, ${formatMs(series.binMs)} a stroke` : '';
  return [
    {
      title: `Requests of the prober${perBin}`,
      height: ROW,
      draw: (axis, top) => requestStrip(series, axis, top),
    },
    {
      title: 'Latency of correct answers: median, and the slowest behind it (logarithmic)',
      height: PLOT,
      draw: (axis, top) => latencyPlot(series, axis, top),
    },
  ];
}

/** One band, and a stroke over it for each stretch of bins with a failure. */
function requestStrip({ fromMs, binMs, requests, failed }: ReportRequestSeries, axis: TimeAxis, top: number): Markup[] {
  const from = axis.x(fromMs);
  const to = axis.x(fromMs + requests.length * binMs);
  const [total, down] = [sum(requests), sum(failed)];
  const strokes = runsOf(failed.map((count) => (count === 0 ? null : count))).map(([first, counts]) => {
    const [startMs, endMs] = [first, first + counts.length].map((bin) => fromMs + bin * binMs) as [number, number];
    const x = axis.x(startMs);
    const w = Math.max(MIN_WIDTH, axis.x(endMs) - x);
    const [lost, asked] = [counts, requests.slice(first, first + counts.length)].map(sum);
    const tip = `${lost} of ${asked} failed from ${formatMs(startMs)} to ${formatMs(endMs)}`;
    return markup`<rect class="down" data-failed="${lost!}" x="${x}" y="${top}" width="${round(w)}" height="${BAR}"><title>${tip}</title></rect>`;
  });
  return [
    markup`<text class="faint" x="0" y="${top + 11}">${down} of ${total} failed</text>`,
    markup`<rect class="up" x="${from}" y="${top}" width="${round(to - from)}" height="${BAR}"/>`,
    ...strokes,
  ];
}

function latencyPlot({ fromMs, binMs, p50Ms, maxMs }: ReportRequestSeries, axis: TimeAxis, top: number): Markup[] {
  const seen = [...p50Ms, ...maxMs].filter((ms) => ms !== null);
  const [least, most] = seen.length > 0 ? [Math.min(...seen), Math.max(...seen)] : [1, 1];
  // From the power of ten below everything to the one above it.
  const bottom = Math.floor(Math.log10(Math.max(least, LATENCY_MS_MIN)));
  const decades = Math.max(1, Math.ceil(Math.log10(Math.max(most, LATENCY_MS_MIN))) - bottom);
  const floorMs = 10 ** bottom;
  const y = (ms: number): number =>
    round(top + PLOT - (Math.max(0, Math.log10(Math.max(ms, floorMs)) - bottom) / decades) * PLOT);
  const x = (bin: number): number => axis.x(fromMs + bin * binMs);
  const marks = Array.from({ length: decades + 1 }, (_, index) => 10 ** (bottom + index));
  return [
    ...marks.map(
      (ms) =>
        markup`<line class="grid" x1="${axis.left}" x2="${axis.left + axis.width}" y1="${y(ms)}" y2="${y(ms)}"/><text class="faint" x="${axis.left - 8}" y="${y(ms) + 4}" text-anchor="end">${formatMs(ms)}</text>`,
    ),
    markup`<path class="max" d="${runsOf(maxMs)
      .map(
        ([first, values]) =>
          `M${x(first)} ${y(floorMs)}${values.map((ms, index) => `L${x(first + index)} ${y(ms)}L${x(first + index + 1)} ${y(ms)}`).join('')}L${x(first + values.length)} ${y(floorMs)}Z`,
      )
      .join('')}"/>`,
    markup`<path class="median" d="${runsOf(p50Ms)
      .map(([first, values]) =>
        values.map((ms, index) => `${index === 0 ? 'M' : 'L'}${x(first + index + 0.5)} ${y(ms)}`).join(''),
      )
      .join('')}"/>`,
  ];
}

/** Stretches without a hole, each with the place of its first value. */
function runsOf(values: readonly (number | null)[]): readonly (readonly [first: number, values: readonly number[]])[] {
  const runs: [number, number[]][] = [];
  for (const [index, value] of values.entries()) {
    const last = runs.at(-1);
    if (value === null) continue;
    if (last && last[0] + last[1].length === index) last[1].push(value);
    else runs.push([index, [value]]);
  }
  return runs;
}

const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);
