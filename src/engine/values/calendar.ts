/**
 * When work may begin, by the wall clock of a place. Instants are milliseconds of UTC and come from outside; what they are
 * called in a time zone is what Intl says. A local time that a change of the clocks skips is never reached, one that
 * happens twice counts both times: what is open at an instant follows from what the clock on the wall shows then.
 */

export const WEEKDAYS = ['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun'] as const;
export type Weekday = (typeof WEEKDAYS)[number];

export interface OpenSpan {
  readonly days: readonly Weekday[];
  /** Minutes from midnight. Where `toMinute` is not later than `fromMinute` it closes on the next day. */
  readonly fromMinute: number;
  readonly toMinute: number;
}

export interface ClosedSpan {
  /** First and last day, e.g. 2026-12-24. */
  readonly from: string;
  readonly to: string;
}

export interface CalendarTimes {
  readonly timeZone: string;
  readonly open: readonly OpenSpan[];
  readonly closed: readonly ClosedSpan[];
}

const MINUTE_MS = 60_000;
const DAY_MINUTES = 1_440;
/** How far ahead an opening is looked for. */
const SEARCH_MS = 400 * DAY_MINUTES * MINUTE_MS;

interface LocalTime {
  readonly date: string;
  readonly weekday: Weekday;
  readonly minute: number;
}

const formats = new Map<string, Intl.DateTimeFormat>();

function formatOf(timeZone: string): Intl.DateTimeFormat {
  const known = formats.get(timeZone);
  if (known) return known;
  const format = new Intl.DateTimeFormat('en-US', {
    timeZone,
    hourCycle: 'h23',
    weekday: 'short',
    year: 'numeric',
    month: '2-digit',
    day: '2-digit',
    hour: '2-digit',
    minute: '2-digit',
  });
  formats.set(timeZone, format);
  return format;
}

/** Whether the name is one of an IANA time zone: an offset such as +01:00 knows no summer. */
export function isTimeZone(name: string): boolean {
  if (!/^[A-Za-z]/.test(name)) return false;
  try {
    formatOf(name);
    return true;
  } catch {
    return false;
  }
}

function localTime(timeZone: string, atMs: number): LocalTime {
  const parts = Object.fromEntries(
    formatOf(timeZone)
      .formatToParts(atMs)
      .map(({ type, value }) => [type, value]),
  );
  return {
    date: `${parts['year']}-${parts['month']}-${parts['day']}`,
    weekday: String(parts['weekday']).toLowerCase() as Weekday,
    minute: Number(parts['hour']) * 60 + Number(parts['minute']),
  };
}

const dayBefore = (date: string): string =>
  new Date(Date.parse(`${date}T00:00:00Z`) - DAY_MINUTES * MINUTE_MS).toISOString().slice(0, 10);

const weekdayBefore = (day: Weekday): Weekday => WEEKDAYS[(WEEKDAYS.indexOf(day) + 6) % 7]!;

const isClosedOn = ({ closed }: CalendarTimes, date: string): boolean =>
  closed.some(({ from, to }) => from <= date && date <= to);

export function isOpenAt(times: CalendarTimes, atMs: number): boolean {
  const { date, weekday, minute } = localTime(times.timeZone, atMs);
  if (isClosedOn(times, date)) return false;
  const yesterdayWasClosed = isClosedOn(times, dayBefore(date));
  return times.open.some(({ days, fromMinute, toMinute }) => {
    const passesMidnight = toMinute <= fromMinute;
    const opensToday = days.includes(weekday) && minute >= fromMinute && (passesMidnight || minute < toMinute);
    const stillOpen =
      passesMidnight && minute < toMinute && days.includes(weekdayBefore(weekday)) && !yesterdayWasClosed;
    return opensToday || stillOpen;
  });
}

/** The first instant from `fromMs` on at which it is open, or closed; null where that is too far away to tell. */
export function nextInstant(times: CalendarTimes, fromMs: number, wanted: 'open' | 'closed'): number | null {
  const isWanted = (atMs: number): boolean => isOpenAt(times, atMs) === (wanted === 'open');
  if (isWanted(fromMs)) return fromMs;
  const boundaries = [0, ...times.open.flatMap(({ fromMinute, toMinute }) => [fromMinute, toMinute % DAY_MINUTES])];
  let lastMs = Math.floor(fromMs / MINUTE_MS) * MINUTE_MS;
  while (lastMs - fromMs < SEARCH_MS) {
    const { minute } = localTime(times.timeZone, lastMs);
    const aheadMinutes = Math.min(...boundaries.map((at) => (at > minute ? at - minute : at + DAY_MINUTES - minute)));
    lastMs = beforeClockChange(times.timeZone, lastMs, minute, aheadMinutes);
    if (isWanted(lastMs)) return lastMs;
  }
  return null;
}

/** So many minutes later; where the clocks change before, the instant at which they do. */
function beforeClockChange(timeZone: string, fromMs: number, fromMinute: number, aheadMinutes: number): number {
  const isAsExpected = (minutes: number): boolean =>
    localTime(timeZone, fromMs + minutes * MINUTE_MS).minute === (fromMinute + minutes) % DAY_MINUTES;
  if (isAsExpected(aheadMinutes)) return fromMs + aheadMinutes * MINUTE_MS;
  let low = 0;
  let high = aheadMinutes;
  while (high - low > 1) {
    const middle = Math.floor((low + high) / 2);
    if (isAsExpected(middle)) low = middle;
    else high = middle;
  }
  return fromMs + high * MINUTE_MS;
}

/** Whether something may begin: it is open, and stays so for `cutoffMs` at the least. */
export function mayBegin(times: CalendarTimes, atMs: number, cutoffMs: number): boolean {
  if (!isOpenAt(times, atMs)) return false;
  const closesMs = nextInstant(times, atMs, 'closed');
  return closesMs === null || closesMs - atMs >= cutoffMs;
}

/** The first instant from `fromMs` on at which something may begin; null where that is too far away to tell. */
export function nextBeginning(times: CalendarTimes, fromMs: number, cutoffMs: number): number | null {
  let opensMs = nextInstant(times, fromMs, 'open');
  while (opensMs !== null && !mayBegin(times, opensMs, cutoffMs)) {
    const closesMs = nextInstant(times, opensMs, 'closed');
    opensMs = closesMs === null || closesMs - fromMs > SEARCH_MS ? null : nextInstant(times, closesMs, 'open');
  }
  return opensMs;
}

/** `22:30` to minutes from midnight. */
export function parseTimeOfDay(text: string): number {
  const [hours, minutes] = text.split(':');
  return Number(hours) * 60 + Number(minutes);
}

/** Whether the date exists: the schema lets 2026-02-31 pass. */
export function isDate(text: string): boolean {
  const ms = Date.parse(`${text}T00:00:00Z`);
  return !Number.isNaN(ms) && new Date(ms).toISOString().startsWith(text);
}
