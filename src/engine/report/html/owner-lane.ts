import type { Report } from '../../generated/report.ts';
import { formatMs } from '../../values/duration.ts';
import { BAR, type Lane, MIN_WIDTH, ROW, round } from './lane.ts';
import { markup } from './markup.ts';

const OWNERS = ['old', 'new', 'Microvisor', 'firmware'] as const;
const classOf = (owner: string): string => OWNERS.find((known) => known === owner) ?? 'other';

/** A row a part of the node, in it who had it. */
export function ownerLane({ timeline }: Report): Lane | undefined {
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
