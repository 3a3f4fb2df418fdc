import { describe, expect, test } from 'vitest';
import { ClientStack } from '../../src/network/client-stack.ts';
import { BROADCAST_MAC, parseMac } from '../../src/network/ethernet.ts';
import { EthernetSwitch } from '../../src/network/ethernet-switch.ts';
import { type HttpResult, httpGet } from '../../src/network/http-client.ts';
import { parseIpv4 } from '../../src/network/ipv4.ts';
import { PcapWriter } from '../../src/network/pcap.ts';
import { ProbeLog } from '../../src/network/probe-log.ts';
import { askHttp, Prober } from '../../src/network/prober.ts';
import { numbers } from '../node/disk-rounds.ts';
import { CLIENT_IP, CLIENT_MAC, PEER_IP } from './hand-peer.ts';
import { HandServer, type HandServerOptions } from './hand-server.ts';
import { VirtualClock } from './virtual-clock.ts';

const MS = 1_000_000;
const INTERVAL_MS = 10;
const DEADLINE_MS = 50;
const SERVER_B_MAC = '52:54:00:00:00:0b';

const answer = (body: string, server = 'old', status = 200): string =>
  `HTTP/1.1 ${status} X\r\nServer: ${server}\r\nContent-Length: ${body.length}\r\n\r\n${body}`;

interface World {
  readonly clock: VirtualClock;
  readonly ethernet: EthernetSwitch;
  readonly stack: ClientStack;
  readonly server: HandServer;
  readonly capture: Uint8Array[];
  readonly prober: (log?: ProbeLog) => Prober;
}

/** A client and a server that answers after 2 ms. `wire` decides how often a frame to the client arrives. */
function world(
  seed = 1,
  respond: HandServerOptions['respond'] = () => ({ text: answer('fine'), afterNs: 2 * MS }),
  copies: () => number = () => 1,
): World {
  const clock = new VirtualClock();
  const capture: Uint8Array[] = [];
  const pcap = new PcapWriter({ write: (bytes) => capture.push(bytes.slice()), bytesMax: 1 << 24 });
  const ethernet = new EthernetSwitch({ clock, latencyNs: 10_000, onFrame: pcap.frame });
  const stack = new ClientStack({ clock, mac: CLIENT_MAC, address: `${CLIENT_IP}/24`, seed });
  const server = new HandServer({ clock, respond });
  const outside = {
    onTransmit: (_frame: Uint8Array): void => {},
    receive: (frame: Uint8Array): void => {
      for (let copy = copies(); copy > 0; copy--) server.receive(frame);
    },
  };
  ethernet.attach(stack);
  ethernet.attach(outside);
  server.onTransmit = (frame) => {
    const held = frame.slice();
    for (let copy = copies(); copy > 0; copy--)
      clock.at(clock.now() + copies() * 5_000, () => outside.onTransmit(held));
  };
  const prober = (log?: ProbeLog): Prober =>
    new Prober({
      clock,
      ask: askHttp(stack, {
        address: PEER_IP,
        port: 80,
        path: '/',
        status: 200,
        body: (body) => Buffer.from(body).toString() === 'fine',
      }),
      intervalNs: INTERVAL_MS * MS,
      deadlineNs: DEADLINE_MS * MS,
      seed,
      ...(log === undefined ? {} : { log }),
    });
  return { clock, ethernet, stack, server, capture, prober };
}

const outcomes = (prober: Prober): string[] => Array.from(prober.log.records(), ({ outcome }) => outcome);

describe('a prober', () => {
  test('sees a service that answers as up, with its latency and its name', () => {
    const { clock, prober: make } = world();
    const prober = make();
    prober.start();
    clock.run(1000 * MS);
    expect(prober.log.at(5)).toMatchObject({ outcome: 'ok', servedBy: 'old' });
    const { latencyMs, ...rest } = prober.measure(0, 900 * MS);
    expect(rest).toEqual({ requests: 90, failed: 0, downtimeMs: 0, longestGapMs: 0, resolutionMs: INTERVAL_MS });
    expect(latencyMs!.p50).toBeGreaterThan(2);
    expect(latencyMs!.max).toBeLessThan(2.2);
  });

  test('begins its slots on a fixed schedule whose phase the seed chooses', () => {
    const times = (seed: number): number[] => {
      const { clock, prober: make } = world(seed);
      const prober = make();
      prober.start();
      clock.run(100 * MS);
      return Array.from(prober.log.records(), ({ atNs }) => atNs);
    };
    const first = times(1);
    expect(new Set(first.slice(1).map((atNs, index) => atNs - first[index]!))).toEqual(new Set([INTERVAL_MS * MS]));
    expect(first[0]).toBeLessThan(INTERVAL_MS * MS);
    expect(times(2)[0]).not.toBe(first[0]);
  });

  test.each([
    [
      'refused',
      (server: HandServer) => {
        server.listening = false;
      },
    ],
    [
      'timeout',
      (server: HandServer) => {
        server.listening = undefined;
      },
    ],
  ])('counts the slots of an outage of 300 ms (%s)', (outcome, fail) => {
    const { clock, server, prober: make } = world();
    const prober = make();
    prober.start();
    clock.run(500 * MS);
    fail(server);
    clock.run(800 * MS);
    server.listening = true;
    clock.run(1500 * MS);
    const measured = prober.measure(0, 1400 * MS);
    expect(measured.failed).toBeGreaterThanOrEqual(29);
    expect(measured.failed).toBeLessThanOrEqual(31);
    expect(measured.downtimeMs).toBe(measured.failed * INTERVAL_MS);
    expect(measured.longestGapMs).toBeGreaterThan(285);
    expect(measured.longestGapMs).toBeLessThan(315);
    expect(new Set(outcomes(prober))).toEqual(new Set(['ok', outcome]));
    const parts = [
      [0, 400],
      [400, 600],
      [600, 1400],
    ].map(([from, to]) => prober.measure(from! * MS, to! * MS).downtimeMs);
    expect(parts.reduce((sum, part) => sum + part)).toBe(measured.downtimeMs);
  });

  test.each([
    ['bad-status', answer('fine', 'old', 503)],
    ['bad-content', answer('wrong')],
    ['bad-content', 'SSH-2.0-OpenSSH\r\n\r\n'],
    ['bad-content', 'HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nfine'],
    ['reset', 'reset'],
    ['reset', ''],
    ['timeout', undefined],
  ])('tells %s (%j)', (outcome, text) => {
    const { clock, prober: make } = world(1, () => (text === undefined || text === 'reset' ? text : { text }));
    const prober = make();
    prober.start();
    clock.run(200 * MS);
    expect(new Set(outcomes(prober))).toEqual(new Set([outcome]));
    expect(prober.measure(0, 100 * MS)).toMatchObject({ requests: 10, failed: 10, latencyMs: null, downtimeMs: 100 });
  });

  test('takes an answer that arrives at the deadline as too late', () => {
    const { clock, prober: make } = world(1, () => ({ text: answer('fine'), afterNs: DEADLINE_MS * MS }));
    const prober = make();
    prober.start();
    clock.run(300 * MS);
    expect(new Set(outcomes(prober))).toEqual(new Set(['timeout']));
  });

  test('loses no slot when the address moves to another computer', () => {
    const { clock, ethernet, server, prober: make } = world();
    const next = new HandServer({
      clock,
      mac: SERVER_B_MAC,
      respond: () => ({ text: answer('fine', 'new'), afterNs: 2 * MS }),
    });
    next.answersArp = false;
    ethernet.attach(next);
    const prober = make();
    prober.start();
    clock.run(504 * MS);
    server.answersArp = false;
    const announcement = {
      senderMac: parseMac(SERVER_B_MAC),
      senderIp: parseIpv4(PEER_IP),
      targetIp: parseIpv4(PEER_IP),
    };
    next.sendArp({ operation: 1, targetMac: 0, ...announcement }, BROADCAST_MAC);
    clock.run(1000 * MS);
    prober.stop();
    clock.run(1200 * MS);
    const served = Array.from(prober.log.records(), ({ servedBy }) => servedBy);
    expect(served.lastIndexOf('old')).toBeLessThan(served.indexOf('new'));
    expect(prober.measure(0, 1200 * MS).failed).toBeLessThanOrEqual(1);
  });

  test('gives every slot its record after it was stopped, in order', () => {
    const { clock, server, prober: make } = world();
    const prober = make();
    prober.start();
    clock.run(100 * MS);
    server.listening = undefined;
    clock.run(200 * MS);
    expect(prober.settledUntilNs()).toBeLessThan(200 * MS);
    prober.stop();
    clock.run(300 * MS);
    expect(prober.settledUntilNs()).toBe(300 * MS);
    expect(prober.log.length).toBe(20);
    expect(prober.running).toBe(false);
  });

  test('twice the same gives the same frames at the same times', () => {
    const run = (): Buffer => {
      const random = numbers(7);
      const { clock, capture, prober: make } = world(3, undefined, () => (random(10) === 0 ? 0 : 1));
      make().start();
      clock.run(2000 * MS);
      return Buffer.concat(capture);
    };
    const first = run();
    expect(first.length).toBeGreaterThan(50_000);
    expect(first.equals(run())).toBe(true);
  });

  test('goes on in step from a saved log', () => {
    const before = world();
    const first = before.prober();
    first.start();
    before.clock.run(500 * MS);
    first.stop();
    before.clock.run(600 * MS);
    const after = world();
    after.clock.run(700 * MS);
    const second = after.prober(ProbeLog.restore(first.log.save()));
    second.start();
    after.clock.run(1000 * MS);
    const phase = first.log.at(0).atNs;
    expect(
      Array.from(second.log.records(), ({ atNs }) => (atNs - phase) % (INTERVAL_MS * MS)).every((rest) => rest === 0),
    ).toBe(true);
    expect(second.log.at(50).atNs).toBeGreaterThanOrEqual(700 * MS);
    expect(second.measure(0, 500 * MS)).toEqual(first.measure(0, 500 * MS));
  });
});

describe('an HTTP request over a bad wire', () => {
  test.each(Array.from({ length: 40 }, (_, seed) => [seed]))('arrives whole or fails honestly (seed %i)', (seed) => {
    const random = numbers(seed);
    // Of twelve frames one is lost, one comes twice; each is late by a different time, so they overtake each other.
    const copies = (): number => [0, 2, 1][Math.min(random(12), 2)]!;
    const body = 'abcdefghij'.repeat(2000);
    const { clock, stack } = world(seed, () => ({ text: answer(body) }), copies);
    let result: HttpResult | undefined;
    const request = { address: PEER_IP, port: 80, path: '/', deadlineNs: 60_000 * MS };
    httpGet(stack, request, (got) => {
      result = got;
    });
    clock.run(60_000 * MS);
    expect(result?.ok && Buffer.from(result.response.body).toString() === body).toBe(true);
    clock.run(400_000 * MS);
  });
});
