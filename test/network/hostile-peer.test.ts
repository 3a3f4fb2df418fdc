import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { httpGet } from '../../src/network/http-client.ts';
import { TCP_FLAG } from '../../src/network/tcp-segment.ts';
import { PEER_IP, Scene } from './hand-peer.ts';

const EVENTS_PENDING_MAX = 16;

describe('whatever a peer sends', () => {
  test('as bytes, a client drops it or takes it, and lives', () => {
    const scene = Scene.opened();
    const headers = [
      [0x52, 0x54, 0, 0, 0, 1, 0x52, 0x54, 0, 0, 0, 0x0a, 0x08, 0x00, 0x45],
      [0x52, 0x54, 0, 0, 0, 1, 0x52, 0x54, 0, 0, 0, 0x0a, 0x08, 0x06, 0, 1, 8, 0, 6, 4],
      [],
    ];
    fc.assert(
      fc.property(fc.constantFrom(...headers), fc.uint8Array({ maxLength: 200 }), (header, rest) => {
        scene.stack.receive(Uint8Array.from([...header, ...rest]));
        scene.run(1);
      }),
      { numRuns: 2000 },
    );
    expect(scene.clock.pending).toBeLessThan(EVENTS_PENDING_MAX);
  });

  test('after its answer, or not at all, it cannot keep more than 1024 connections that were left', () => {
    const scene = new Scene();
    const { peer, stack, clock } = scene;
    let resets = 0;
    peer.onSegment = ({ sourcePort, sequence, payload, flags }) => {
      if ((flags & TCP_FLAG.rst) !== 0) resets++;
      const isRequest = payload.length > 0;
      const isFirst = (flags & TCP_FLAG.syn) !== 0;
      const answer = Buffer.from(isRequest ? 'HTTP/1.1 204 No Content\r\n\r\n' : '');
      if (!isRequest && !isFirst && (flags & TCP_FLAG.fin) === 0) return;
      peer.sendSegment({
        sourcePort: 80,
        destinationPort: sourcePort,
        sequence: isFirst ? 1000 : isRequest ? 1001 : 1001 + 27,
        acknowledgment: (sequence + payload.length + (isRequest ? 0 : 1)) >>> 0,
        flags: isFirst ? TCP_FLAG.syn | TCP_FLAG.ack : TCP_FLAG.ack,
        window: 65_535,
        payload: answer,
      });
    };
    let answered = 0;
    for (let request = 0; request < 1100; request++) {
      const deadlineNs = clock.now() + 1e9;
      httpGet(stack, { address: PEER_IP, port: 80, path: '/', deadlineNs }, ({ ok }) => {
        if (ok) answered++;
      });
      scene.run(1);
    }
    expect(answered).toBe(1100);
    expect(resets).toBe(1100 - 1024);
  });

  test('in a buffer it uses again, a paused reader gets what was in it', () => {
    const scene = Scene.opened();
    scene.connection.pause();
    const frames: Uint8Array[] = [];
    const { receive } = scene.stack;
    scene.stack.receive = (frame) => {
      frames.push(frame);
      receive.call(scene.stack, frame);
    };
    scene.send('.', 1, 1, 'abc');
    scene.run(1);
    for (const frame of frames) frame.fill(0);
    scene.connection.resume();
    expect(scene.takeEvents()).toEqual(['data abc']);
  });

  test('as segments in any order, a connection delivers each byte of the stream once, in order', () => {
    const stream = Array.from({ length: 200 }, (_, index) => String.fromCharCode(97 + (index % 26))).join('');
    const piece = fc.record({
      start: fc.nat(199),
      length: fc.integer({ min: 1, max: 40 }),
      ack: fc.integer({ min: -3, max: 30 }),
      pauseMs: fc.nat(3),
    });
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 60 }), (pieces) => {
        const scene = Scene.opened();
        scene.connection.write(Buffer.from('some request that is here'));
        for (const { start, length, ack, pauseMs } of pieces) {
          scene.send('.', 1 + start, ack, stream.slice(start, start + length));
          scene.run(pauseMs);
        }
        scene.send('F.', 1, 26, stream);
        scene.run(100);
        const delivered = scene
          .takeEvents()
          .filter((event) => event.startsWith('data '))
          .map((event) => event.slice(5));
        expect(delivered.join('')).toBe(stream);
        expect(scene.connection.state).toBe('CLOSE_WAIT');
      }),
    );
  });

  test('as segments with any flags and numbers, a connection comes to an end and leaves nothing behind', () => {
    const segment = fc.record({
      flags: fc.subarray(['S', 'F', 'R', '.']).map((flags) => flags.join('')),
      seq: fc.integer({ min: -3, max: 30 }),
      ack: fc.integer({ min: -3, max: 12 }),
      data: fc.constantFrom('', 'x', 'hello'),
      window: fc.constantFrom(0, 1, 1000, 65_535),
      act: fc.constantFrom('none', 'none', 'write', 'end', 'pause', 'resume', 'abort'),
    });
    fc.assert(
      fc.property(fc.array(segment, { maxLength: 40 }), fc.boolean(), (segments, opened) => {
        const scene = opened ? Scene.opened() : new Scene();
        if (!opened) scene.connect();
        for (const { flags, seq, ack, data, window, act } of segments) {
          scene.window = window;
          scene.send(flags, seq, ack, data);
          scene.run(1);
          if (act === 'write') scene.connection.write(Buffer.from('word'));
          else if (act !== 'none') scene.connection[act]();
        }
        scene.connection.resume();
        scene.connection.end();
        scene.run(2_000_000);
        if (scene.connection.state !== 'CLOSED') scene.connection.abort(); // half-open, as TCP is without a FIN
        scene.run(2_000_000);
        expect(scene.events.filter((event) => event.startsWith('close'))).toHaveLength(1);
        expect(scene.events.at(-1)).toMatch(/^close/);
        expect(scene.clock.pending).toBe(0);
      }),
      { numRuns: 500 },
    );
  });
});
