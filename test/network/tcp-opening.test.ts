import { describe, expect, test } from 'vitest';
import { encodeIcmp } from '../../src/network/icmp.ts';
import { IP_PROTOCOL } from '../../src/network/ipv4.ts';
import { TCP_FLAG } from '../../src/network/tcp-segment.ts';
import { Scene } from './hand-peer.ts';

describe('a connection that opens', () => {
  test('sends a SYN with its segment size and window', () => {
    const scene = new Scene();
    scene.connect();
    expect(scene.peer.segments).toMatchObject([
      { flags: TCP_FLAG.syn, mss: 1460, window: 65_535, acknowledgment: 0, destinationPort: 80 },
    ]);
  });

  test('acknowledges the SYN of the peer and is open', () => {
    const scene = new Scene();
    scene.connect();
    scene.received();
    scene.send('S.', 0, 1);
    scene.run(1);
    expect(scene.receivedLines()).toEqual(['. 1 1']);
    expect(scene.takeEvents()).toEqual(['open']);
  });

  test('takes a segment size of 0 for none', () => {
    const scene = Scene.opened(0);
    scene.connection.write(Buffer.alloc(600, 'x'));
    scene.run(1);
    expect(scene.received().map(({ data }) => data.length)).toEqual([536, 64]);
  });

  test('sends what was written before in the segment that opens it', () => {
    const scene = new Scene();
    scene.connect();
    scene.received();
    expect(scene.connection.write(Buffer.from('early'))).toBe(5);
    scene.connection.end();
    scene.send('S.', 0, 1);
    scene.run(1);
    expect(scene.receivedLines()).toEqual(['F. 1 1 early']);
  });

  test('is refused by a reset that acknowledges its SYN', () => {
    const scene = new Scene();
    scene.connect();
    scene.send('R.', 0, 1);
    scene.run(1);
    expect(scene.takeEvents()).toEqual(['close refused']);
    expect(scene.clock.pending).toBe(0);
  });

  test.each([
    ['a reset without acknowledgment', 'R', 0],
    ['a reset that acknowledges something else', 'R.', 7],
    ['a SYN without acknowledgment', 'S', 0],
    ['data without SYN', '.', 1],
  ])('does not mind %s', (_what, flags, ack) => {
    const scene = new Scene();
    scene.connect();
    scene.received();
    scene.send(flags, 0, ack);
    scene.run(1);
    expect(scene.takeEvents()).toEqual([]);
    expect(scene.connection.state).toBe('SYN_SENT');
    expect(scene.receivedLines()).toEqual([]);
  });

  test('resets a peer that acknowledges what was never sent', () => {
    const scene = new Scene();
    scene.connect();
    scene.received();
    scene.send('S.', 0, 100);
    scene.run(1);
    expect(scene.receivedLines()).toEqual(['R 100 0']);
    expect(scene.connection.state).toBe('SYN_SENT');
  });

  test('sends its SYN again after 1, 2, 4, ... seconds and asks for the address again', () => {
    const scene = new Scene();
    scene.connect();
    scene.received();
    const asked = scene.peer.arps.length;
    const times: number[] = [];
    scene.peer.onSegment = () => times.push(Math.floor(scene.clock.now() / 1e9));
    scene.run(20_000);
    expect(times).toEqual([1, 3, 7, 15]);
    expect(scene.peer.arps.length).toBeGreaterThan(asked);
  });

  test('gives up when nobody ever answers', () => {
    const scene = new Scene();
    scene.connect();
    scene.run(200_000);
    expect(scene.takeEvents()).toEqual(['close timeout']);
    expect(scene.clock.pending).toBe(0);
  });

  test('is unreachable when nobody has the address', () => {
    const scene = new Scene();
    scene.peer.answersArp = false;
    scene.connect();
    scene.run(2_900);
    expect(scene.takeEvents()).toEqual([]);
    scene.run(200);
    expect(scene.takeEvents()).toEqual(['close unreachable']);
    expect(scene.peer.arps).toHaveLength(3);
    expect(scene.clock.pending).toBe(0);
  });

  test('is refused by a firewall that rejects with an ICMP message', () => {
    const scene = new Scene();
    scene.connect();
    const { payload } = scene.peer.packets[0]!;
    const quote = Buffer.concat([Buffer.alloc(20), payload.subarray(0, 8)]);
    quote[0] = 0x45;
    quote[9] = IP_PROTOCOL.tcp;
    quote.set([10, 0, 0, 1, 10, 0, 0, 10], 12);
    scene.peer.sendPacket(IP_PROTOCOL.icmp, encodeIcmp({ type: 3, code: 3, rest: 0, payload: quote }));
    scene.run(1);
    expect(scene.takeEvents()).toEqual(['close refused']);
  });

  test('can be aborted before its first frame is out', () => {
    const scene = new Scene();
    const closed: string[] = [];
    const connection = scene.stack.connect(
      { address: '10.0.0.10', port: 80 },
      { onClose: (reason) => closed.push(reason) },
    );
    connection.abort();
    scene.run(5_000);
    expect(closed).toEqual(['aborted']);
    expect(scene.peer.segments).toEqual([]);
  });

  test('takes the smallest segments when the peer does not say its size', () => {
    const scene = Scene.opened(null);
    scene.connection.write(Buffer.alloc(1000, 'x'));
    scene.run(1);
    expect(scene.received().map(({ data }) => data.length)).toEqual([536, 464]);
  });
});

describe('the ports and sequence numbers of a client', () => {
  const syns = (seed: number, count: number) => {
    const scene = new Scene(seed);
    for (let index = 0; index < count; index++) scene.stack.connect({ address: '10.0.0.10', port: 80 }, {});
    scene.run(1);
    return scene.peer.segments.map(({ sourcePort, sequence }) => ({ sourcePort, sequence }));
  };

  test('are the same for the same seed and others for another', () => {
    expect(syns(5, 3)).toEqual(syns(5, 3));
    expect(syns(5, 3)).not.toEqual(syns(6, 3));
  });

  test('go on by one and by 64,000', () => {
    const [first, second] = syns(5, 2);
    expect(second!.sourcePort - first!.sourcePort).toBe(1);
    expect((second!.sequence - first!.sequence) >>> 0).toBe(64_000);
  });

  test('a segment for a port nobody has is reset', () => {
    const scene = new Scene();
    scene.connect();
    scene.received();
    const stray = {
      sourcePort: 80,
      destinationPort: 5,
      sequence: 9,
      acknowledgment: 4,
      window: 0,
      payload: new Uint8Array(3),
    };
    scene.peer.sendSegment({ ...stray, flags: TCP_FLAG.ack });
    scene.peer.sendSegment({ ...stray, flags: TCP_FLAG.syn });
    scene.peer.sendSegment({ ...stray, flags: TCP_FLAG.rst });
    scene.run(1);
    expect(scene.peer.segments).toMatchObject([
      { flags: TCP_FLAG.rst, sequence: 4, sourcePort: 5 },
      { flags: TCP_FLAG.rst | TCP_FLAG.ack, sequence: 0, acknowledgment: 13 },
    ]);
  });
});
