/** What each OS used while the Microvisor was beneath it: where its time went, and why it came into M-mode. */
import type { Report, ReportGuestAccounts } from '../../generated/report.ts';
import { formatMs } from '../../values/duration.ts';
import { type Markup, markup } from './markup.ts';

type Account = NonNullable<ReportGuestAccounts[string]>;

/** Parts of an account's time, as they stand beside each other in a bar. */
const PARTS = [
  { key: 'ranMs', name: 'had the hart', className: 'ran' },
  { key: 'waitedMs', name: 'waited for the hart', className: 'waited' },
  { key: 'monitorMs', name: 'in the monitor', className: 'monitor' },
  { key: 'idleMs', name: 'had nothing to do', className: 'idle' },
] as const satisfies readonly { key: keyof Account; name: string; className: string }[];

/** Shares of time are shown to this many digits of a percent. */
const SHARE_DIGITS = 2;

export function guestTables({ microvisor, phases }: Report): Markup | null {
  const accounts = accountsOf(microvisor?.guests ?? null);
  if (accounts.length === 0) return null;
  return markup`<h2>What the guests used while the Microvisor was there</h2>
<div class="card">${timeTable('guest', accounts)}
<p class="legend">${PARTS.map(({ name, className }) => markup`<span class="${className}">${name}</span> `)}</p></div>
<div class="card">${exitTable(accounts)}</div>
<div class="card"><details><summary>by phase</summary>${phases
    .map(({ id, guests }) => ({ id, accounts: accountsOf(guests) }))
    .filter(({ accounts }) => accounts.length > 0)
    .map(({ id, accounts }) => timeTable(id, accounts))}</details></div>`;
}

type NamedAccount = readonly [guest: string, account: Account];

const accountsOf = (guests: ReportGuestAccounts | null): readonly NamedAccount[] =>
  Object.entries(guests ?? {}).flatMap(([guest, account]) => (account ? [[guest, account]] : []));

function timeTable(title: string, accounts: readonly NamedAccount[]): Markup {
  const heads = PARTS.map(({ name }) => markup`<th>${name}</th>`);
  return markup`<table><thead><tr><th>${title}</th><th class="text">time</th>${heads}<th>put into a hart</th><th>woken within</th></tr></thead><tbody>${accounts.map(
    ([guest, account]) =>
      markup`<tr data-guest="${title}:${guest}"><td>${guest}</td><td class="text">${shares(account)}</td>${PARTS.map(
        ({ key }) => markup`<td>${formatMs(account[key])}</td>`,
      )}<td>${count(account.switches)}</td><td>${formatMs(account.wakeUsMax / 1e3)}</td></tr>`,
  )}</tbody></table>`;
}

/** A bar of the account's whole time. */
function shares(account: Account): Markup {
  const total = PARTS.reduce((sum, { key }) => sum + account[key], 0);
  const percent = (ms: number): string => ((100 * ms) / (total || 1)).toFixed(SHARE_DIGITS);
  return markup`<div class="bar">${PARTS.map(
    ({ key, name, className }) =>
      markup`<i class="${className}" style="width:${percent(account[key])}%" title="${name}: ${percent(account[key])} %"></i>`,
  )}</div>`;
}

/** By cause, the most frequent of all guests first; the bar is the share of the most frequent one of all. */
function exitTable(accounts: readonly NamedAccount[]): Markup {
  const causes = [...new Set(accounts.flatMap(([, { exits }]) => Object.keys(exits)))];
  const of = ({ exits }: Account, cause: string): number => exits[cause] ?? 0;
  const sum = (cause: string): number => accounts.reduce((total, [, account]) => total + of(account, cause), 0);
  const most = Math.max(1, ...accounts.flatMap(([, account]) => causes.map((cause) => of(account, cause))));
  const cell = (cause: string, [guest, account]: NamedAccount): Markup => {
    const width = ((100 * of(account, cause)) / most).toFixed(SHARE_DIGITS);
    return markup`<td data-exits="${guest}:${cause}">${count(of(account, cause))}</td><td class="text"><div class="bar"><i class="${guest}" style="width:${width}%"></i></div></td>`;
  };
  const total = ({ exits }: Account): number => Object.values(exits).reduce((all: number, some = 0) => all + some, 0);
  return markup`<table><thead><tr><th>exits by cause</th>${accounts.map(([guest]) => markup`<th>${guest}</th><th></th>`)}</tr></thead><tbody>${causes
    .toSorted((a, b) => sum(b) - sum(a))
    .map(
      (cause) => markup`<tr><td>${cause}</td>${accounts.map((account) => cell(cause, account))}</tr>`,
    )}<tr><td>all</td>${accounts.map(([guest, account]) => markup`<td data-exits="${guest}:all">${count(total(account))}</td><td></td>`)}</tr></tbody></table>`;
}

const count = (value: number): string => value.toLocaleString('en');
