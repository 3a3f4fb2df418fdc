import { describe, expect, test } from 'vitest';
import { BROADCAST_MAC, type EthernetPort, encodeFrame, formatMac, parseMac } from '../../src/network/ethernet.ts';
import { EthernetSwitch } from '../../src/network/ethernet-switch.ts';
import { PcapWriter } from '../../src/network/pcap.ts';
import { VirtualClock } from './virtual-clock.ts';

const LATENCY_NS = 1000;
const MAC = { a: 1, b: 2, c: 3 } as const;

function wired() {
  const clock = new VirtualClock();
  const ethernet = new EthernetSwitch({ clock, latencyNs: LATENCY_NS });
  const log: string[] = [];
  const port = (name: string): EthernetPort => ({
    onTransmit: () => {},
    receive: (frame) => log.push(`${clock.now()} ${name} ${frame[14]}`),
  });
  const ports = { a: port('a'), b: port('b'), c: port('c') };
  const detach = { a: ethernet.attach(ports.a), b: ethernet.attach(ports.b), c: ethernet.attach(ports.c) };
  const send = (from: keyof typeof ports, destination: number, payload: number): void =>
    ports[from].onTransmit(
      encodeFrame({ destination, source: MAC[from], etherType: 0x88b5, payload: Uint8Array.of(payload) }),
    );
  const take = (): string[] => {
    clock.run(clock.now() + LATENCY_NS);
    return log.splice(0);
  };
  return { clock, ethernet, ports, detach, send, take };
}

describe('an Ethernet switch', () => {
  test('floods a frame to an address it has not seen, except where it came from', () => {
    const { send, take } = wired();
    send('a', MAC.b, 1);
    expect(take()).toEqual(['1000 b 1', '1000 c 1']);
  });

  test('sends a frame to the port where the address was seen, and only there', () => {
    const { send, take } = wired();
    send('b', BROADCAST_MAC, 1);
    take();
    send('a', MAC.b, 2);
    expect(take()).toEqual(['2000 b 2']);
  });

  test('follows an address to another port', () => {
    const { ports, send, take } = wired();
    send('b', BROADCAST_MAC, 1);
    take();
    ports.c.onTransmit(
      encodeFrame({ destination: BROADCAST_MAC, source: MAC.b, etherType: 0x88b5, payload: Uint8Array.of(2) }),
    );
    take();
    send('a', MAC.b, 3);
    expect(take()).toEqual(['3000 c 3']);
  });

  test('drops a frame for the port it came from', () => {
    const { send, take } = wired();
    send('a', BROADCAST_MAC, 1);
    take();
    send('a', MAC.a, 2);
    expect(take()).toEqual([]);
  });

  test('keeps the order of frames of the same instant', () => {
    const { send, take } = wired();
    send('a', BROADCAST_MAC, 1);
    send('b', BROADCAST_MAC, 2);
    send('a', BROADCAST_MAC, 3);
    expect(take()).toEqual(['1000 b 1', '1000 c 1', '1000 a 2', '1000 c 2', '1000 b 3', '1000 c 3']);
  });

  test('delivers what was sent, whatever becomes of the buffer of the sender', () => {
    const { ports, take } = wired();
    const frame = encodeFrame({
      destination: BROADCAST_MAC,
      source: MAC.a,
      etherType: 0x88b5,
      payload: Uint8Array.of(7),
    });
    ports.a.onTransmit(frame);
    frame.fill(0xff);
    expect(take()).toEqual(['1000 b 7', '1000 c 7']);
  });

  test('forgets a port that is unplugged, frames on their way included', () => {
    const { ethernet, detach, send, take } = wired();
    send('b', BROADCAST_MAC, 1);
    take();
    send('a', MAC.b, 2);
    detach.b();
    expect(take()).toEqual(['2000 c 2']);
    send('b', BROADCAST_MAC, 3);
    expect(take()).toEqual([]);
    expect(ethernet.counters).toEqual({ forwarded: 0, flooded: 2, malformed: 0, overflowed: 0 });
  });

  test('refuses what is shorter or longer than a frame', () => {
    const { ethernet, ports, take } = wired();
    ports.a.onTransmit(new Uint8Array(13));
    ports.a.onTransmit(new Uint8Array(1519));
    expect(take()).toEqual([]);
    expect(ethernet.counters.malformed).toBe(2);
  });
});

describe('a MAC address', () => {
  test.each(['52:54:00:12:34:56', '00:00:00:00:00:01', 'ff:ff:ff:ff:ff:ff'])(
    '%s is the same as text and number',
    (text) => {
      expect(formatMac(parseMac(text))).toBe(text);
    },
  );

  test.each(['', '52:54:00:12:34', '52-54-00-12-34-56', '52:54:00:12:34:5g'])('is not %j', (text) => {
    expect(() => parseMac(text)).toThrow(RangeError);
  });
});

describe('a capture', () => {
  test('has a header, a record for each frame, and an end', () => {
    const parts: Buffer[] = [];
    const pcap = new PcapWriter({ write: (bytes) => parts.push(Buffer.from(bytes)), bytesMax: 24 + 2 * (16 + 60) });
    for (const second of [1, 2, 3]) pcap.frame(second * 1e9 + 5, new Uint8Array(60).fill(second));
    const file = Buffer.concat(parts);
    expect(pcap.omitted).toBe(1);
    expect(file.length).toBe(24 + 2 * 76);
    expect(file.readUInt32LE(0)).toBe(0xa1b23c4d);
    expect(file.readUInt32LE(20)).toBe(1);
    expect([24, 28, 32, 36].map((offset) => file.readUInt32LE(offset))).toEqual([1, 5, 60, 60]);
    expect(file[24 + 76 + 16]).toBe(2);
  });
});
