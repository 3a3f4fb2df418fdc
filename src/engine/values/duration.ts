/**
 * Durations as an author writes them: Go style (`250ms`, `1h30m`) or ISO 8601 time (`PT1H30M`). A bare number has no
 * unit and is refused, and so are calendar units, whose length depends on a date.
 */

const UNIT_MS = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000 } as const;
const GO_STYLE = /^(?:\d+(?:\.\d+)?(?:ms|s|m|h))+$/;
const GO_PART = /(\d+(?:\.\d+)?)(ms|s|m|h)/g;
const ISO_STYLE = /^PT(?=.)(?:(\d+(?:\.\d+)?)H)?(?:(\d+(?:\.\d+)?)M)?(?:(\d+(?:\.\d+)?)S)?$/;

/** Longest duration of anything in a playbook: a week. */
const DURATION_MS_MAX = 7 * 24 * UNIT_MS.h;

export type DurationProblem = 'no-unit' | 'negative' | 'calendar' | 'malformed' | 'too-long';

export const DURATION_HINTS: Readonly<Record<DurationProblem, string>> = {
  'no-unit': 'write the unit, e.g. 30s, 5m, 250ms',
  negative: 'a duration cannot be negative',
  calendar: 'days, weeks, months and years have no fixed length; write hours, e.g. 24h',
  malformed: 'write a duration such as 250ms, 90s, 1h30m or PT1H30M',
  'too-long': 'the longest duration is 168h',
};

/** Milliseconds (a whole number), or why the text is no duration. */
export function parseDuration(text: unknown): number | DurationProblem {
  if (typeof text === 'number') return text < 0 ? 'negative' : 'no-unit';
  if (typeof text !== 'string') return 'malformed';
  if (/^\d+(\.\d+)?$/.test(text)) return 'no-unit';
  if (/^-/.test(text)) return 'negative';
  if (/^\d+(?:\.\d+)?(?:d|w|mo|y)/.test(text) || /^P[^T]/.test(text)) return 'calendar';
  const ms = GO_STYLE.test(text) ? goStyleMs(text) : isoMs(text);
  if (ms === undefined) return 'malformed';
  return ms > DURATION_MS_MAX ? 'too-long' : Math.round(ms);
}

function goStyleMs(text: string): number {
  let ms = 0;
  for (const [, amount, unit] of text.matchAll(GO_PART)) ms += Number(amount) * UNIT_MS[unit as keyof typeof UNIT_MS];
  return ms;
}

function isoMs(text: string): number | undefined {
  const match = ISO_STYLE.exec(text);
  if (!match) return undefined;
  const [, hours = '0', minutes = '0', seconds = '0'] = match;
  return Number(hours) * UNIT_MS.h + Number(minutes) * UNIT_MS.m + Number(seconds) * UNIT_MS.s;
}

/** For people: at most two units, e.g. `1h 5m`, `12.3s`, `250ms`, `0.04ms`. */
export function formatMs(ms: number): string {
  if (ms < 1 && ms > 0) return `${trimZeros(ms.toFixed(2))}ms`;
  if (ms < 1_000) return `${trimZeros(ms.toFixed(ms < 10 ? 1 : 0))}ms`;
  if (ms < 60_000) return `${trimZeros((ms / 1_000).toFixed(1))}s`;
  const totalSeconds = Math.round(ms / 1_000);
  const hours = Math.floor(totalSeconds / 3_600);
  const minutes = Math.floor((totalSeconds % 3_600) / 60);
  const seconds = totalSeconds % 60;
  if (hours > 0) return minutes > 0 ? `${hours}h ${minutes}m` : `${hours}h`;
  return seconds > 0 ? `${minutes}m ${seconds}s` : `${minutes}m`;
}

const trimZeros = (digits: string): string => (digits.includes('.') ? digits.replace(/\.?0+$/, '') : digits);
