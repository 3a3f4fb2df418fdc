/** The Microvisor's accounts of guests, as the report has them. */
import type { ReportGuestAccounts } from '../generated/report.ts';
import type { MicrovisorMeasurement } from '../node-port.ts';
import { formatMs } from '../values/duration.ts';

const NS_PER_MS = 1e6;
const NS_PER_US = 1e3;

export function reportAccounts({ guests }: MicrovisorMeasurement): ReportGuestAccounts {
  const accounts = Object.entries(guests).map(([name, used]) => [
    name,
    {
      exits: { ...used.exits },
      ranMs: used.ranNs / NS_PER_MS,
      idleMs: used.idleNs / NS_PER_MS,
      waitedMs: used.heldNs / NS_PER_MS,
      monitorMs: used.monitorNs / NS_PER_MS,
      switches: used.switchesIn,
      wakeUsMax: used.wakeNsMax / NS_PER_US,
    },
  ]);
  return Object.fromEntries(accounts);
}

/** A line for each guest: `old  ran 1.2s, waited 3ms for the hart, 0.4ms in the monitor, 1,234 exits (wfi 1,000, sbi 234)`. */
export function accountLines(accounts: ReportGuestAccounts): string[] {
  return Object.entries(accounts).flatMap(([name, account]) => {
    if (account === undefined) return [];
    const exits = Object.entries(account.exits).toSorted(([, left = 0], [, right = 0]) => right - left);
    const total = exits.reduce((sum, [, count = 0]) => sum + count, 0);
    const causes = exits.map(([cause, count = 0]) => `${cause} ${count.toLocaleString('en')}`).join(', ');
    return [
      `${name.padEnd(10)} ran ${formatMs(account.ranMs)}, waited ${formatMs(account.waitedMs)} for the hart, ` +
        `${formatMs(account.monitorMs)} in the monitor, woken within ${formatMs(account.wakeUsMax / 1e3)}`,
      `           ${total.toLocaleString('en')} exits${causes === '' ? '' : ` (${causes})`}`,
    ];
  });
}
