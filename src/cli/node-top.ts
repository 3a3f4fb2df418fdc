/** `mvctl node top`: what each guest uses, between one look and the next. */
import type { NodeTop } from '../node/index.ts';
import { columns } from './columns.ts';

const NS_PER_MS = 1e6;
const NS_PER_S = 1e9;
const BYTES_PER_MIB = 2 ** 20;
/** Causes named on a guest's line. */
const CAUSES_MAX = 4;

/** `before`: an earlier look; none: since the node was switched on. */
export function topLines(now: NodeTop, before?: NodeTop): string[] {
  const passedNs = now.nowNs - (before?.nowNs ?? 0);
  const instructions = now.retiredInstructions - (before?.retiredInstructions ?? 0);
  const entries = sumOf(now.traps) - sumOf(before?.traps ?? {});
  const head = [
    `node time ${(now.nowNs / NS_PER_S).toFixed(3)} s (+${(passedNs / NS_PER_MS).toFixed(1)} ms)`,
    `${now.harts} hart${now.harts === 1 ? '' : 's'}`,
    now.virtualized ? 'virtualized' : 'bare',
    `${perSecond(instructions / 1e6, passedNs)} M instr/s`,
    `${perSecond(entries, passedNs)} M-mode entries/s`,
  ].join(', ');
  const rows = now.sides.map(({ side, guest, account }) => {
    const earlier = before?.sides.find((each) => each.side === side)?.account;
    const share = (of: 'ranNs' | 'heldNs' | 'idleNs' | 'monitorNs'): string =>
      passedNs === 0 ? '-' : `${((100 * (account[of] - (earlier?.[of] ?? 0))) / passedNs).toFixed(2)}%`;
    const exits = Object.entries(account.exits)
      .map(([cause, count]): [string, number] => [cause, count - (earlier?.exits[cause] ?? 0)])
      .filter(([, count]) => count > 0)
      .toSorted(([, left], [, right]) => right - left);
    return [
      side,
      guest ?? '-',
      share('ranNs'),
      share('heldNs'),
      share('idleNs'),
      share('monitorNs'),
      String(account.switchesIn - (earlier?.switchesIn ?? 0)),
      exits
        .slice(0, CAUSES_MAX)
        .map(([cause, count]) => `${cause} ${count}`)
        .join(', '),
    ];
  });
  const table = columns([['side', 'guest', 'ran', 'waited', 'idle', 'monitor', 'switches', 'exits'], ...rows]);
  const standbys = now.standbys.map(({ name, side, bytes, worth }) =>
    [`standby ${name}: of side ${side}`, `${(bytes / BYTES_PER_MIB).toFixed(0)} MiB`, WORTH[worth]].join(', '),
  );
  return [head, ...table, ...standbys];
}

const WORTH: Readonly<Record<NodeTop['standbys'][number]['worth'], string>> = {
  good: 'can be woken',
  outdated: 'worthless: kept before the last commit',
  uncommitted: 'worthless unless the run that kept it commits',
};

const sumOf = (counts: { readonly [cause: string]: number }): number =>
  Object.values(counts).reduce((sum, count) => sum + count, 0);

const perSecond = (count: number, ns: number): string => (ns === 0 ? '0' : ((count * NS_PER_S) / ns).toFixed(1));
