/** The run as a picture: lanes over one axis of node time. Each lane gives its height back, so that they stack. */
import type { Report } from '../../generated/report.ts';
import { formatMs } from '../../values/duration.ts';
import type { Lane } from './lane.ts';
import { type Markup, markup } from './markup.ts';
import { ownerLane } from './owner-lane.ts';
import { phaseLane } from './phase-lane.ts';
import { requestLanes } from './request-lanes.ts';
import { timeAxis } from './time-axis.ts';
import { trapLane } from './trap-lane.ts';

const WIDTH = 1160;
const LABELS = 150;
const MARGIN = 18;
const TITLE_HEIGHT = 24;
const LANE_GAP = 12;

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
