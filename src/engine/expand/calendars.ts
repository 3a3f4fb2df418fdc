/** Windows of a playbook: their times, written there or in a file of kind Calendar. */
import type { Finding, Pointer } from '../diagnostics/diagnostic.ts';
import type { Calendar } from '../generated/calendar.ts';
import type { ClosedDays, OpenTimes, Window } from '../generated/playbook.ts';
import { type CalendarTimes, isDate, isTimeZone, parseTimeOfDay, WEEKDAYS } from '../values/calendar.ts';

interface WrittenTimes {
  readonly timeZone: string;
  readonly open: OpenTimes;
  readonly closed?: ClosedDays | undefined;
}

/** The times of a window, where they are complete. */
export function timesOf({ timeZone, open, closed }: Window, calendar: Calendar | undefined): WrittenTimes | undefined {
  if (calendar) return calendar;
  return timeZone !== undefined && open !== undefined ? { timeZone, open, closed } : undefined;
}

export const calendarTimes = ({ timeZone, open, closed = [] }: WrittenTimes): CalendarTimes => ({
  timeZone,
  open: open.map(({ days = WEEKDAYS, from, to }) => ({
    days: [...days],
    fromMinute: parseTimeOfDay(from),
    toMinute: parseTimeOfDay(to),
  })),
  closed: closed.map(({ from, to = from }) => ({ from, to })),
});

/** What is wrong with times that have the right shape; `at` is where they stand. */
export function checkTimes({ timeZone, open, closed = [] }: WrittenTimes, at: Pointer): readonly Finding[] {
  const findings: Finding[] = [];
  const complain = (message: string, pointer: Pointer, hint?: string): void => {
    findings.push({ code: 'MV0117', message, hint, pointer: [...at, ...pointer] });
  };
  if (!isTimeZone(timeZone)) {
    const hint = 'write an IANA name such as Europe/Berlin or UTC: an offset knows no summer time';
    complain(`timeZone: expected an IANA time zone, found ${JSON.stringify(timeZone)}`, ['timeZone'], hint);
  }
  for (const [index, { from, to }] of open.entries()) {
    if (from === to) complain(`to: expected another time than from, found ${to} twice`, ['open', index, 'to']);
    if (from === '24:00') complain('from: expected a time before 24:00', ['open', index, 'from'], 'write 00:00');
  }
  for (const [index, { from, to }] of closed.entries()) {
    if (!isDate(from)) complain(`from: expected a day that exists, found ${from}`, ['closed', index, 'from']);
    if (to !== undefined && !isDate(to))
      complain(`to: expected a day that exists, found ${to}`, ['closed', index, 'to']);
    else if (to !== undefined && to < from)
      complain(`to: expected a day not before ${from}, found ${to}`, ['closed', index, 'to']);
  }
  return findings;
}
