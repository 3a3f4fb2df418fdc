import { describe, expect, test } from 'vitest';
import type { Guest } from '../../src/node/guest.ts';
import { Guests } from '../../src/node/guests.ts';

/** Of all that a guest is, what its names and standbys are told by. */
const guest = (side: Guest['side'], standby?: string): Guest =>
  ({ side, standby, isBehind: standby !== undefined }) as Guest;

describe('the guests of a node', () => {
  test('boot from their disk in the next run, whatever standby they were made from', () => {
    const guests = new Guests();
    guests.beginNames('A');
    guests.set(guest('A'));
    guests.add('new', guest('B', 'standby'));
    guests.forget('old');
    guests.beginNames('B');
    expect(guests.get('old')).toMatchObject({ side: 'B', standby: undefined, isBehind: false });
  });
});
