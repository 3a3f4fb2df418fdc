import { connect } from 'node:net';
import { buffer } from 'node:stream/consumers';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { ClientStack } from '../../src/network/client-stack.ts';
import { NS_PER_MS, NS_PER_S } from '../../src/network/clock.ts';
import { formatMac } from '../../src/network/ethernet.ts';
import { EthernetSwitch } from '../../src/network/ethernet-switch.ts';
import { Forwarder } from '../../src/network/forwarder.ts';
import { type HttpResult, httpGet } from '../../src/network/http-client.ts';
import { askHttp, Prober } from '../../src/network/prober.ts';
import type { TcpCloseReason } from '../../src/network/tcp-connection.ts';
import { LinuxPeer, whyNoLinuxPeer } from './linux-peer.ts';
import { RealtimeClock } from './realtime-clock.ts';

const PEER = '10.9.0.1';
const missing = whyNoLinuxPeer();
if (missing !== undefined) console.warn(`the tests against a real Linux TCP stack are left out: ${missing}`);

const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
const pattern = (bytes: number): Uint8Array =>
  Uint8Array.from({ length: bytes }, (_, index) => (index * 31 + (index >> 8)) & 0xff);

describe.skipIf(missing !== undefined)('against the TCP stack of Linux', () => {
  const clock = new RealtimeClock();
  let peer: LinuxPeer;
  let stack: ClientStack;
  let wire: { lose: (fromUs: boolean) => boolean };

  beforeAll(async () => {
    peer = await LinuxPeer.start(`${PEER}/24`);
    wire = { lose: () => false };
    const lossy = {
      onTransmit: (_frame: Uint8Array): void => {},
      receive: (frame: Uint8Array): void => {
        if (!wire.lose(true)) peer.receive(frame);
      },
    };
    const ethernet = new EthernetSwitch({ clock, latencyNs: 20_000 });
    stack = new ClientStack({ clock, mac: '52:54:00:00:00:02', address: '10.9.0.2/24', seed: 1 });
    ethernet.attach(stack);
    ethernet.attach(lossy);
    peer.onTransmit = (frame) => {
      if (!wire.lose(false)) lossy.onTransmit(frame);
    };
  });

  afterAll(() => {
    peer.stop();
    clock.close();
  });

  const get = (path: string, deadlineMs = 5000, port = 80): Promise<HttpResult> =>
    new Promise((resolve) => {
      const deadlineNs = clock.now() + deadlineMs * NS_PER_MS;
      httpGet(stack, { address: PEER, port, path, deadlineNs }, resolve);
    });

  const body = (result: HttpResult): string =>
    result.ok ? Buffer.from(result.response.body).toString() : result.failure;

  /** Sends `bytes` to the echo port, ends, and gives what came back. */
  const echo = (bytes: Uint8Array): Promise<{ reason: TcpCloseReason; received: Buffer }> =>
    new Promise((resolve) => {
      const received: Uint8Array[] = [];
      let rest = bytes;
      const send = (): void => {
        rest = rest.subarray(connection.write(rest));
        if (rest.length === 0) connection.end();
      };
      const connection = stack.connect(
        { address: PEER, port: 7 },
        {
          onOpen: send,
          onDrain: send,
          onData: (data) => received.push(data.slice()),
          onClose: (reason) => resolve({ reason, received: Buffer.concat(received) }),
        },
      );
    });

  test('it answers a ping', async () => {
    expect(await new Promise((resolve) => stack.ping(PEER, NS_PER_S, resolve))).toBeGreaterThan(0);
  });

  test('a body with a content-length arrives', async () => {
    const result = await get('/hello');
    expect(body(result)).toBe('hello\n');
    expect(result.ok && result.response.headers.get('server')).toBe('linux-peer');
  });

  test('a chunked body arrives', async () => {
    expect(body(await get('/chunked'))).toBe('one two');
  });

  test('a body of 2 MB arrives whole', async () => {
    const result = await get('/big?2000000', 30_000);
    expect(result.ok && Buffer.compare(result.response.body, pattern(2_000_000))).toBe(0);
  });

  test('1 MB goes there and back, and both sides close', async () => {
    const { reason, received } = await echo(pattern(1_000_000));
    expect(reason).toBe('closed');
    expect(Buffer.compare(received, pattern(1_000_000))).toBe(0);
  });

  test('a port where nobody listens refuses', async () => {
    expect(body(await get('/hello', 5000, 81))).toBe('refused');
  });

  test('a reset by the server is a reset', async () => {
    expect(body(await get('/reset'))).toBe('reset');
  });

  test('an answer that never comes times out at the deadline', async () => {
    expect(body(await get('/never', 200))).toBe('timeout');
  });

  test('an address nobody has is unreachable', async () => {
    const deadlineNs = clock.now() + 10 * NS_PER_S;
    const request = { address: '10.9.0.77', port: 80, path: '/', deadlineNs };
    const result = await new Promise<HttpResult>((resolve) => httpGet(stack, request, resolve));
    expect(body(result)).toBe('unreachable');
  });

  test('200 connections at once all get their answer', async () => {
    const results = await Promise.all(Array.from({ length: 200 }, () => get('/hello', 20_000)));
    expect(results.map(body)).toEqual(Array.from({ length: 200 }, () => 'hello\n'));
  });

  test('with one frame in twenty lost either way, 300 KB go there and back', async () => {
    let frame = 0;
    wire.lose = () => frame++ % 20 === 7;
    const { reason, received } = await echo(pattern(300_000));
    wire.lose = () => false;
    expect(reason).toBe('closed');
    expect(Buffer.compare(received, pattern(300_000))).toBe(0);
  });

  test('a reader that pauses closes the window and loses nothing', async () => {
    const received: Uint8Array[] = [];
    const done = new Promise<TcpCloseReason>((resolve) => {
      const connection = stack.connect(
        { address: PEER, port: 80 },
        {
          onOpen: () => {
            connection.write(Buffer.from('GET /big?500000 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n'));
            connection.pause();
            setTimeout(() => connection.resume(), 700);
          },
          onData: (data) => received.push(data.slice()),
          onEnd: () => connection.end(),
          onClose: resolve,
        },
      );
    });
    await sleep(500);
    expect(received.length).toBe(0);
    expect(await done).toBe('closed');
    const bytes = Buffer.concat(received);
    expect(Buffer.compare(bytes.subarray(bytes.length - 500_000), pattern(500_000))).toBe(0);
  });

  test('an address that changes hands is followed at its announcement', async () => {
    peer.command(
      'ip link set tap0 down; ip link set tap0 address 52:54:00:aa:bb:cc; sysctl -qw net.ipv4.conf.tap0.arp_notify=1; ip link set tap0 up',
    );
    await sleep(300);
    const mac = stack.neighborOf(PEER);
    expect(mac === undefined ? undefined : formatMac(mac)).toBe('52:54:00:aa:bb:cc');
    expect(body(await get('/hello'))).toBe('hello\n');
  });

  test('an address that changes hands silently is found by asking again', async () => {
    peer.command(
      'sysctl -qw net.ipv4.conf.tap0.arp_notify=0; ip link set tap0 down; ip link set tap0 address 52:54:00:aa:bb:dd; ip link set tap0 up; ip neigh flush all',
    );
    await sleep(200);
    expect(body(await get('/hello'))).toBe('hello\n');
  });

  describe('through the forwarder', () => {
    let forwarder: Forwarder;
    const start = async (port: number): Promise<void> => {
      forwarder = await Forwarder.start({ stack, target: { address: PEER, port }, listen: { port: 0 } });
    };
    afterEach(() => forwarder.close());

    test('an HTTP client of this computer gets its answers', async () => {
      await start(80);
      const url = `http://127.0.0.1:${forwarder.port}`;
      const answers = await Promise.all(Array.from({ length: 20 }, async () => (await fetch(`${url}/hello`)).text()));
      expect(answers).toEqual(Array.from({ length: 20 }, () => 'hello\n'));
      const big = new Uint8Array(await (await fetch(`${url}/big?3000000`)).arrayBuffer());
      expect(Buffer.compare(big, pattern(3_000_000))).toBe(0);
    });

    test('3 MB go there and back with a reader that is slow to start, and half-closing works', async () => {
      await start(7);
      const socket = connect({ port: forwarder.port, host: '127.0.0.1', allowHalfOpen: true });
      socket.pause();
      socket.end(pattern(3_000_000));
      await sleep(500);
      expect(Buffer.compare(await buffer(socket), pattern(3_000_000))).toBe(0);
      await sleep(50);
      expect(forwarder.connections).toBe(0);
    });

    test('a port where nobody listens resets', async () => {
      await start(81);
      const socket = connect(forwarder.port, '127.0.0.1');
      await expect(buffer(socket)).rejects.toThrow('ECONNRESET');
    });

    test('a client that resets resets the guest’s connection too', async () => {
      await start(80);
      const socket = connect(forwarder.port, '127.0.0.1');
      socket.write('GET /never HTTP/1.1\r\nHost: x\r\n\r\n');
      await sleep(100);
      expect(forwarder.connections).toBe(1);
      socket.resetAndDestroy();
      await sleep(100);
      expect(forwarder.connections).toBe(0);
    });
  });

  test('a prober sees an outage of half a second as about half a second', async () => {
    const target = { address: PEER, port: 80, path: '/hello', status: 200 };
    const prober = new Prober({
      clock,
      ask: askHttp(stack, target),
      intervalNs: 20 * NS_PER_MS,
      deadlineNs: 150 * NS_PER_MS,
      seed: 3,
    });
    const fromNs = clock.now();
    prober.start();
    await sleep(400);
    wire.lose = () => true;
    await sleep(500);
    wire.lose = () => false;
    await sleep(1500);
    prober.stop();
    await sleep(300);
    const measured = prober.measure(fromNs, clock.now());
    expect(measured.downtimeMs).toBeGreaterThan(350);
    expect(measured.downtimeMs).toBeLessThan(1500);
    expect(measured.longestGapMs).toBeGreaterThan(350);
    expect(prober.log.at(0)).toMatchObject({ outcome: 'ok', servedBy: 'linux-peer' });
  });
});
