import { expect, it } from 'vitest';
import type { Machine, Slot } from '../../src/machine/index.ts';
import { type EthernetSwitch, parseMac } from '../../src/network/index.ts';
import { NetworkCards } from '../../src/node/network-cards.ts';

it('a card has an address that no card had before, however often it is replaced', () => {
  const addresses: number[] = [];
  const slot: Partial<Slot> = {
    plug: (device) => {
      if (device.kind === 'net') addresses.push(parseMac(device.mac));
      return { kind: 'net', inFlight: () => 0, ethernet: { onTransmit: () => {}, receive: () => {} } };
    },
    unplug: () => {},
  };
  const machine: Partial<Machine> = { slot: () => slot as Slot };
  const ethernet: Partial<EthernetSwitch> = { attach: () => () => {} };
  const cards = new NetworkCards(machine as Machine, ethernet as EthernetSwitch);
  for (let times = 0; times < 600; times++) cards.replaceOwn('A');
  expect(addresses[0]).toBe(parseMac('52:54:00:00:01:01'));
  expect(new Set(addresses).size).toBe(600);
});
