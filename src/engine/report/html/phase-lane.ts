/** A row a phase, in it its steps. */
import type { Report, ReportPhase } from '../../generated/report.ts';
import { formatMs } from '../../values/duration.ts';
import { BAR, type Lane, MIN_WIDTH, ROW, round } from './lane.ts';
import { type Markup, markup } from './markup.ts';
import type { TimeAxis } from './time-axis.ts';

export function phaseLane({ phases }: Report): Lane {
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
