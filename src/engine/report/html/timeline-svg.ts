/** The run as a picture: lanes over one axis of node time. Each lane gives its height back, so that they stack. */
import type { Report, ReportPhase, ReportRequestSeries } from '../../generated/report.ts';
import { formatMs } from '../../values/duration.ts';
import { entriesByName, entriesIn } from '../trap-cause.ts';
import { type Markup, markup } from './markup.ts';
import { type TimeAxis, timeAxis } from './time-axis.ts';

interface Lane {
  readonly title: string;
  readonly height: number;
  draw(axis: TimeAxis, top: number): readonly Markup[];
}

const WIDTH = 1160;
const LABELS = 150;
const MARGIN = 18;
const TITLE_HEIGHT = 24;
const LANE_GAP = 12;
const ROW = 20;
const BAR = 14;
const PLOT = 70;
/** Nothing that happened is thinner than this. */
const MIN_WIDTH = 1.5;
/** A microsecond: what a report rounds to. */
const LATENCY_MS_MIN = 1e-3;

export function timelineSvg(report: Report): Markup {
  const axis = timeAxis(report.run.nodeMs, LABELS, WIDTH - LABELS - MARGIN);
  const lanes = [phaseLane(report), ...requestLanes(report), trapLane(report), ownerLane(report)].filter(
    (lane): lane is Lane => lane !== undefined,
  );
  const drawn: Markup[] = [];
  let top = 0;
  for (const lane of lanes) {
    drawn.push(
      markup`<text class="title" x="0" y="${top + 15}">${lane.title}</text>`,
      ...lane.draw(axis, top + TITLE_HEIGHT),
    );
    top += TITLE_HEIGHT + lane.height + LANE_GAP;
  }
  const grid = axis.ticks.map(
    (ms) =>
      markup`<line class="grid" x1="${axis.x(ms)}" x2="${axis.x(ms)}" y1="${TITLE_HEIGHT}" y2="${top}"/><text class="faint" x="${axis.x(ms)}" y="${top + 14}" text-anchor="middle">${formatMs(ms)}</text>`,
  );
  const label = `Timeline of the run over ${formatMs(report.run.nodeMs)} of node time`;
  return markup`<svg viewBox="0 0 ${WIDTH} ${top + 20}" role="img" aria-label="${label}">${grid}${drawn}</svg>`;
}

function phaseLane({ phases }: Report): Lane {
  const entered = phases.filter(({ startMs }) => startMs !== null);
  return {
    title: 'Phases and their steps',
    height: entered.length * ROW,
    draw: (axis, top) => entered.flatMap((phase, row) => phaseRow(phase, axis, top + row * ROW)),
  };
}

function phaseRow(phase: ReportPhase, axis: TimeAxis, top: number): readonly Markup[] {
  const from = axis.x(phase.startMs!);
  const width = Math.max(MIN_WIDTH, axis.x(phase.startMs! + phase.nodeMs) - from);
  const steps = phase.steps.filter(({ startMs }) => startMs !== null);
  const took = formatMs(phase.nodeMs);
  // The duration stands behind its bar, or before it where the page ends.
  const isLate = from + width + 60 > axis.left + axis.width;
  const edge = isLate ? from - 6 : from + width + 6;
  return [
    markup`<text class="faint" x="0" y="${top + 11}">${phase.id}</text>`,
    markup`<rect class="${phase.outcome}" data-phase="${phase.id}" x="${from}" y="${top}" width="${round(width)}" height="${BAR}" rx="2"><title>${phase.title}: ${took}</title></rect>`,
    ...steps.map(({ id, uses, startMs, nodeMs }, index) => {
      const x = axis.x(startMs!);
      const w = axis.x(startMs! + nodeMs) - x;
      // Every other one is lighter, so that two side by side are two; one that took no time is no more than a tip.
      const shade = index % 2 === 0 ? 'step' : 'step dark';
      return markup`<rect class="${shade}" x="${x}" y="${top}" width="${round(Math.max(0.5, w))}" height="${BAR}"><title>${id} (${uses}): ${formatMs(nodeMs)}</title></rect>`;
    }),
    markup`<text class="faint" x="${round(edge)}" y="${top + 11}" text-anchor="${isLate ? 'end' : 'start'}">${took}</text>`,
  ];
}

function requestLanes({ timeline, service }: Report): readonly Lane[] {
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

/** A bar a phase: its width the phase, its height the entries a second, so that its area is their number. */
function trapLane({ phases }: Report): Lane | undefined {
  const counted = phases.flatMap((phase) =>
    phase.startMs === null || phase.traps === null
      ? []
      : [{ phase, startMs: phase.startMs, traps: phase.traps, total: entriesIn(phase.traps) }],
  );
  if (counted.length === 0) return undefined;
  const rateOf = ({ total, phase }: (typeof counted)[number]): number => total / Math.max(1e-3, phase.nodeMs / 1e3);
  const highest = Math.max(1, ...counted.filter(({ phase }) => phase.nodeMs > 0).map(rateOf));
  return {
    title: 'M-mode entries a second (SBI calls of the OS, and what the Microvisor adds while it is there)',
    height: PLOT,
    draw: (axis, top) => [
      markup`<text class="faint" x="${axis.left - 8}" y="${top + 10}" text-anchor="end">${Math.round(highest)}/s</text>`,
      markup`<line class="grid" x1="${axis.left}" x2="${axis.left + axis.width}" y1="${top + PLOT}" y2="${top + PLOT}"/>`,
      ...counted.map((row) => {
        const { phase, startMs, traps, total } = row;
        const x = axis.x(startMs);
        const w = Math.max(MIN_WIDTH, axis.x(startMs + phase.nodeMs) - x);
        const h = total === 0 ? 0 : Math.max(1, (rateOf(row) / highest) * PLOT);
        const tip = `${phase.id}: ${total} entries; ${entriesByName(traps)}`;
        return markup`<rect class="trap" data-traps="${total}" x="${x}" y="${round(top + PLOT - h)}" width="${round(w)}" height="${round(h)}"><title>${tip}</title></rect>`;
      }),
    ],
  };
}

const OWNERS = ['old', 'new', 'Microvisor', 'firmware'] as const;
const classOf = (owner: string): string => OWNERS.find((known) => known === owner) ?? 'other';

function ownerLane({ timeline }: Report): Lane | undefined {
  const owners = timeline?.owners ?? [];
  if (owners.length === 0) return undefined;
  const parts = [...new Set(owners.map(({ part }) => part))];
  return {
    title: 'Who owned what',
    height: parts.length * ROW,
    draw: (axis, top) =>
      parts.flatMap((part, row) => [
        markup`<text class="faint" x="0" y="${top + row * ROW + 11}">${part}</text>`,
        ...owners
          .filter((span) => span.part === part)
          .map(({ owner, fromMs, toMs }) => {
            const x = axis.x(fromMs);
            const w = Math.max(MIN_WIDTH, axis.x(toMs) - x);
            const y = top + row * ROW;
            const label =
              w > owner.length * 7 + 8 && markup`<text class="on" x="${round(x + 5)}" y="${y + 11}">${owner}</text>`;
            return markup`<rect class="${classOf(owner)}" data-part="${part}" data-owner="${owner}" x="${x}" y="${y}" width="${round(w)}" height="${BAR}"><title>${part}: ${owner}, ${formatMs(fromMs)} to ${formatMs(toMs)}</title></rect>${label}`;
          }),
      ]),
  };
}

const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);
const round = (value: number): number => Math.round(value * 100) / 100;
