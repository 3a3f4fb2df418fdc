import { describe, expect, test } from 'vitest';
import { ClientStack } from '../../src/network/client-stack.ts';
import { EthernetSwitch } from '../../src/network/ethernet-switch.ts';
import { Load, type LoadOptions } from '../../src/network/load/load.ts';
import { CLIENT_IP, CLIENT_MAC, PEER_IP } from './hand-peer.ts';
import { HandServer, type HandServerOptions } from './hand-server.ts';
import { VirtualClock } from './virtual-clock.ts';

const MS = 1_000_000;
const S = 1_000 * MS;
const PAGE = 'numbers '.repeat(5_000);

const answer = (body: string, connection = 'keep-alive'): string =>
  `HTTP/1.1 200 OK\r\nConnection: ${connection}\r\nContent-Length: ${body.length}\r\n\r\n${body}`;

/** Serves as a web server does: keeps the connections whose requests ask for it. */
const serve: HandServerOptions['respond'] = (request) => {
  const body = request.startsWith('GET /page ') ? PAGE : 'fine';
  const keep = request.includes('Connection: keep-alive');
  return { text: answer(body, keep ? 'keep-alive' : 'close'), afterNs: 2 * MS, ...(keep ? { keep: true } : {}) };
};

interface World {
  readonly clock: VirtualClock;
  readonly server: HandServer;
  readonly load: Load;
  /** Requests the server saw, by node time. */
  readonly seen: string[];
}

function world(options: Partial<LoadOptions>, respond: HandServerOptions['respond'] = serve, seed = 1): World {
  const clock = new VirtualClock();
  const ethernet = new EthernetSwitch({ clock, latencyNs: 10_000 });
  const stack = new ClientStack({ clock, mac: CLIENT_MAC, address: `${CLIENT_IP}/24`, seed });
  const seen: string[] = [];
  const server = new HandServer({
    clock,
    respond: (request) => {
      seen.push(`${clock.now()} ${request.split(' ', 2).join(' ')}`);
      return respond(request);
    },
  });
  ethernet.attach(stack);
  ethernet.attach(server);
  let state = seed;
  const random = (): number => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
    return (state >>> 8) / 2 ** 24;
  };
  const load = new Load({
    stack,
    target: { address: PEER_IP, port: 80, path: '/' },
    expect: { status: 200 },
    deadlineNs: 50 * MS,
    requestsPerSecond: 0,
    keepAlive: { connections: 0, intervalNs: 100 * MS },
    downloads: { connections: 0, path: '/page', bytesPerSecond: 20_000, expect: { status: 200 } },
    random,
    ...options,
  });
  return { clock, server, load, seen };
}

const run = ({ clock, load }: World, untilNs: number) => {
  load.start();
  clock.run(untilNs);
  return load.log.measure(0, untilNs);
};

const keepAlive = { connections: 3, intervalNs: 100 * MS };

describe('a load', () => {
  test('sends short requests at random instants, as many as its rate, and the seed moves them', () => {
    const [one, again, other] = [1, 1, 2].map((seed) => world({ requestsPerSecond: 100 }, serve, seed));
    const measured = run(one!, 10 * S).short;
    run(again!, 10 * S);
    run(other!, 10 * S);
    expect(measured).toMatchObject({ failed: 0, failures: {} });
    expect(measured.requests).toBeGreaterThan(900);
    expect(measured.requests).toBeLessThan(1100);
    expect(again!.seen).toEqual(one!.seen);
    expect(other!.seen).not.toEqual(one!.seen);
  });

  test('keeps connections open from request to request', () => {
    const kept = world({ keepAlive });
    const { requests, failed, latencyMs } = run(kept, 10 * S).keepAlive;
    expect(failed).toBe(0);
    expect(requests).toBeGreaterThan(250);
    // A handshake takes longer than a request on an open connection.
    expect(latencyMs?.max).toBeGreaterThan(latencyMs?.p99 ?? 0);
  });

  test('takes it for no failure when the server ends a connection with an answer or between two requests', () => {
    let requests = 0;
    const closing = world({ keepAlive }, () => {
      requests++;
      return requests % 5 === 0 ? { text: answer('bye', 'close') } : { text: answer('fine'), keep: true };
    });
    for (let at = 1; at < 10; at++) closing.clock.at(at * S, () => closing.server.endIdle());
    const { requests: measured, failed } = run(closing, 10 * S).keepAlive;
    expect(failed).toBe(0);
    expect(measured).toBeGreaterThan(250);
  });

  test('takes no connection again that the server has ended with an answer without a length', () => {
    const endless = world({ keepAlive }, () => ({ text: 'HTTP/1.1 200 OK\r\n\r\nfine' }));
    const { requests, failures } = run(endless, 10 * S).keepAlive;
    expect(failures).toEqual({});
    expect(requests).toBeGreaterThan(250);
  });

  test('takes it for a failure when a connection ends under a request, and goes on', () => {
    let requests = 0;
    const breaking = world({ keepAlive }, (request) => (++requests === 10 ? 'reset' : serve(request)));
    const { requests: measured, failures } = run(breaking, 10 * S).keepAlive;
    expect(failures).toEqual({ reset: 1 });
    expect(measured).toBeGreaterThan(250);
  });

  test('takes a request without an answer for a failure at its deadline', () => {
    let requests = 0;
    const silent = world({ keepAlive }, (request) => (++requests === 10 ? undefined : serve(request)));
    expect(run(silent, 10 * S).keepAlive.failures).toEqual({ timeout: 1 });
  });

  test('reads a download no faster than its rate', () => {
    const slow = world({
      downloads: { connections: 1, path: '/page', bytesPerSecond: 20_000, expect: { status: 200 } },
    });
    const { requests, failed, latencyMs } = run(slow, 10 * S).download;
    expect(failed).toBe(0);
    expect(requests).toBeGreaterThan(3);
    expect(latencyMs?.p50).toBeGreaterThan(1_800);
    expect(latencyMs?.p50).toBeLessThan(2_300);
  });

  test('checks what it downloaded', () => {
    const expectBody = { status: 200, body: (body: Uint8Array) => new TextDecoder().decode(body) === PAGE };
    const downloads = { connections: 1, path: '/page', bytesPerSecond: 20_000, expect: expectBody };
    expect(run(world({ downloads }), 5 * S).download).toMatchObject({ failed: 0 });
    const wrong = world({ downloads }, () => ({ text: answer(`${PAGE.slice(0, -1)}!`) }));
    expect(run(wrong, 5 * S).download.failures).toEqual({ 'bad-content': 2 });
  });

  test('finds a download that stands still or breaks off', () => {
    const downloads = { connections: 1, path: '/page', bytesPerSecond: 20_000, expect: { status: 200 } };
    expect(
      run(
        world({ downloads }, () => undefined),
        3 * S,
      ).download.failures,
    ).toEqual({ timeout: 1 });
    const short = world({ downloads }, () => ({ text: answer(PAGE).slice(0, -100) }));
    expect(run(short, 3 * S).download.failures).toEqual({ 'bad-content': 1 });
  });

  test('that was stopped sends nothing more', () => {
    const stopped = world({ requestsPerSecond: 100, keepAlive });
    run(stopped, S);
    stopped.load.stop();
    const { length } = stopped.seen;
    stopped.clock.run(3 * S);
    expect(stopped.seen).toHaveLength(length);
    expect(stopped.load.log.measure(0, 3 * S).keepAlive.failed).toBe(0);
  });
});
