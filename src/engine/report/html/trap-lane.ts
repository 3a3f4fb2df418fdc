import type { Report } from '../../generated/report.ts';
import { entriesByName, entriesIn } from '../trap-cause.ts';
import { type Lane, MIN_WIDTH, PLOT, round } from './lane.ts';
import { markup } from './markup.ts';

/** A bar a phase: its width the phase, its height the entries a second, so that its area is their number. */
export function trapLane({ phases }: Report): Lane | undefined {
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
