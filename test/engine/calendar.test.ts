import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  type CalendarTimes,
  isOpenAt,
  isTimeZone,
  mayBegin,
  nextBeginning,
  nextInstant,
  type OpenSpan,
  WEEKDAYS,
} from '../../src/engine/values/calendar.ts';

const span = (from: string, to: string, days: OpenSpan['days'] = WEEKDAYS): OpenSpan => {
  const minute = (text: string): number => Number(text.slice(0, 2)) * 60 + Number(text.slice(3));
  return { days, fromMinute: minute(from), toMinute: minute(to) };
};
const berlin = (open: readonly OpenSpan[], closed: CalendarTimes['closed'] = []): CalendarTimes => ({
  timeZone: 'Europe/Berlin',
  open,
  closed,
});
const at = (text: string): number => Date.parse(text);
const iso = (ms: number | null): string | null => (ms === null ? null : new Date(ms).toISOString());

describe('a window', () => {
  it.each([
    ['a summer evening', berlin([span('22:00', '23:00')]), '2026-07-01T20:30:00Z', true],
    ['the same hour in winter', berlin([span('22:00', '23:00')]), '2026-12-01T20:30:00Z', false],
    ['past midnight, of the day it opened on', berlin([span('22:00', '04:00', ['sat'])]), '2026-11-22T02:30:00Z', true],
    ['past midnight, of a day it did not', berlin([span('22:00', '04:00', ['sat'])]), '2026-11-23T02:30:00Z', false],
    [
      'a closed day',
      berlin([span('00:00', '24:00')], [{ from: '2026-12-24', to: '2026-12-26' }]),
      '2026-12-25T12:00:00Z',
      false,
    ],
    [
      'the night after one, which nothing opened',
      berlin([span('22:00', '04:00')], [{ from: '2026-12-24', to: '2026-12-24' }]),
      '2026-12-25T01:00:00Z',
      false,
    ],
    ['a whole day', berlin([span('00:00', '24:00', ['mon'])]), '2026-11-23T22:59:00Z', true],
  ])('%s', (_, times, when, isOpen) => {
    expect(isOpenAt(times, at(when))).toBe(isOpen);
  });

  it('opens after the gap where the clocks skip its beginning', () => {
    // On 2026-03-29 the clocks of Berlin go from 02:00 to 03:00.
    const times = berlin([span('02:30', '05:00')]);
    expect(iso(nextInstant(times, at('2026-03-29T00:00:00Z'), 'open'))).toBe('2026-03-29T01:00:00.000Z');
  });

  it('is open twice where the clocks repeat it', () => {
    // On 2026-10-25 they go from 03:00 back to 02:00.
    const times = berlin([span('02:15', '02:45')]);
    expect(iso(nextInstant(times, at('2026-10-25T00:00:00Z'), 'open'))).toBe('2026-10-25T00:15:00.000Z');
    expect(iso(nextInstant(times, at('2026-10-25T00:15:00Z'), 'closed'))).toBe('2026-10-25T00:45:00.000Z');
    expect(iso(nextInstant(times, at('2026-10-25T00:45:00Z'), 'open'))).toBe('2026-10-25T01:15:00.000Z');
  });

  it('knows time zones whose clocks move by half an hour', () => {
    const times = { ...berlin([span('01:00', '03:00')]), timeZone: 'Australia/Lord_Howe' };
    for (const day of ['2026-04-04T12:00:00Z', '2026-10-03T12:00:00Z']) {
      const opens = nextInstant(times, at(day), 'open')!;
      const closes = nextInstant(times, opens, 'closed')!;
      expect(isOpenAt(times, opens - 60_000)).toBe(false);
      expect(isOpenAt(times, closes - 60_000)).toBe(true);
    }
  });

  it('is not begun in when too little of it is left', () => {
    const times = berlin([span('22:00', '23:00')]);
    expect(mayBegin(times, at('2026-12-01T21:30:00Z'), 1_800_000)).toBe(true);
    expect(mayBegin(times, at('2026-12-01T21:31:00Z'), 1_800_000)).toBe(false);
    expect(iso(nextBeginning(times, at('2026-12-01T21:31:00Z'), 1_800_000))).toBe('2026-12-02T21:00:00.000Z');
    expect(nextBeginning(times, at('2026-12-01T21:31:00Z'), 7_200_000)).toBeNull();
  });

  it('changes where nextInstant says, and nowhere before', () => {
    const zones = ['Europe/Berlin', 'America/New_York', 'Asia/Kathmandu', 'UTC'] as const;
    const minute = fc.integer({ min: 0, max: 1_439 });
    fc.assert(
      fc.property(
        fc.constantFrom(...zones),
        fc.array(fc.tuple(fc.subarray([...WEEKDAYS], { minLength: 1 }), minute, minute), {
          minLength: 1,
          maxLength: 3,
        }),
        fc.integer({ min: at('2026-01-01T00:00:00Z') / 60_000, max: at('2027-01-01T00:00:00Z') / 60_000 }),
        (timeZone, spans, startMinute) => {
          const open = spans.map(([days, fromMinute, toMinute]) => ({ days, fromMinute, toMinute }));
          const times = { timeZone, open, closed: [] };
          const fromMs = startMinute * 60_000;
          const wanted = isOpenAt(times, fromMs) ? 'closed' : 'open';
          const next = nextInstant(times, fromMs, wanted);
          if (next === null) return;
          expect(isOpenAt(times, next)).toBe(wanted === 'open');
          for (let ms = next - 60_000; ms >= Math.max(fromMs, next - 90 * 60_000); ms -= 60_000)
            expect(isOpenAt(times, ms)).toBe(wanted !== 'open');
        },
      ),
      { numRuns: 60 },
    );
  });
});

describe('a time zone', () => {
  it.each([
    ['Europe/Berlin', true],
    ['UTC', true],
    ['+01:00', false],
    ['Middle/Earth', false],
    ['', false],
  ])('%s is known: %s', (name, isKnown) => {
    expect(isTimeZone(name)).toBe(isKnown);
  });
});
