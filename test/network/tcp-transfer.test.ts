import { describe, expect, test } from 'vitest';
import { Scene } from './hand-peer.ts';

const letters = (count: number): Buffer => Buffer.from(Array.from({ length: count }, (_, index) => 97 + (index % 26)));

describe('data that comes in', () => {
  test('is delivered and acknowledged 40 ms later when it is alone', () => {
    const scene = Scene.opened();
    scene.send('.', 1, 1, 'abc');
    scene.run(39);
    expect(scene.takeEvents()).toEqual(['data abc']);
    expect(scene.receivedLines()).toEqual([]);
    scene.run(2);
    expect(scene.receivedLines()).toEqual(['. 1 4']);
  });

  test('is acknowledged at once when it is the second segment', () => {
    const scene = Scene.opened();
    scene.send('.', 1, 1, 'abc');
    scene.send('.', 4, 1, 'def');
    scene.run(1);
    expect(scene.receivedLines()).toEqual(['. 1 7']);
  });

  test('is acknowledged by the answer when there is one', () => {
    const scene = Scene.opened();
    scene.send('.', 1, 1, 'abc');
    scene.run(1);
    scene.connection.write(Buffer.from('answer'));
    scene.run(100);
    expect(scene.receivedLines()).toEqual(['. 1 4 answer']);
  });

  test('out of order is put in order, and the hole is complained of at once', () => {
    const scene = Scene.opened();
    scene.send('.', 7, 1, 'ghi');
    scene.send('.', 4, 1, 'def');
    scene.run(1);
    expect(scene.takeEvents()).toEqual([]);
    expect(scene.receivedLines()).toEqual(['. 1 1', '. 1 1']);
    scene.send('.', 1, 1, 'abc');
    scene.run(1);
    expect(scene.takeEvents()).toEqual(['data abc', 'data def', 'data ghi']);
    expect(scene.receivedLines()).toEqual(['. 1 10']);
  });

  test('that was seen is acknowledged again and not delivered again', () => {
    const scene = Scene.opened();
    scene.send('.', 1, 1, 'abc');
    scene.run(50);
    scene.takeEvents();
    scene.received();
    scene.send('.', 1, 1, 'abc');
    scene.run(1);
    expect(scene.takeEvents()).toEqual([]);
    expect(scene.receivedLines()).toEqual(['. 1 4']);
  });

  test('that overlaps what was seen is delivered from where it is new', () => {
    const scene = Scene.opened();
    scene.send('.', 5, 1, 'efgh');
    scene.send('.', 1, 1, 'abcdef');
    scene.run(1);
    expect(scene.takeEvents().join(' ')).toBe('data abcdef data gh');
  });

  test.each([
    [
      'TCP checksum',
      (packet: Uint8Array) => {
        packet[packet.length - 1] = 0;
      },
    ],
    [
      'IPv4 checksum',
      (packet: Uint8Array) => {
        packet[8] = 1;
      },
    ],
    [
      'length of the IPv4 header',
      (packet: Uint8Array) => {
        packet[0] = 0x44;
      },
    ],
    [
      'total length',
      (packet: Uint8Array) => {
        packet[2] = 0xff;
      },
    ],
    [
      'version',
      (packet: Uint8Array) => {
        packet[0] = 0x65;
      },
    ],
  ])('with a wrong %s is dropped', (_what, tamper) => {
    const scene = Scene.opened();
    const before = scene.stack.counters.dropped;
    scene.send('.', 1, 1, 'abc', { tamper });
    scene.run(100);
    expect(scene.takeEvents()).toEqual([]);
    expect(scene.receivedLines()).toEqual([]);
    expect(scene.stack.counters.dropped).toBe(before + 1);
  });

  test('beyond the window is cut off', () => {
    const scene = Scene.opened();
    scene.connection.pause();
    for (let sent = 0; sent < 70_000; sent += 1000) scene.send('.', 1 + sent, 1, 'x'.repeat(1000));
    scene.run(1);
    expect(scene.peer.segments.at(-1)).toMatchObject({ window: 0 });
    expect(scene.received().at(-1)?.ack).toBe(1 + 65_535);
    scene.connection.resume();
    scene.run(1);
    expect(scene.takeEvents().join('').length - 'data '.length * 66).toBe(65_535);
    expect(scene.peer.segments.at(-1)).toMatchObject({ window: 65_535 });
  });

  test('that probes a closed window is answered', () => {
    const scene = Scene.opened();
    scene.connection.pause();
    for (let sent = 0; sent < 66_000; sent += 1000) scene.send('.', 1 + sent, 1, 'x'.repeat(1000));
    scene.run(1);
    scene.received();
    scene.send('.', 1 + 65_535, 1, 'y');
    scene.run(1);
    expect(scene.receivedLines()).toEqual([`. 1 ${1 + 65_535}`]);
  });
});

describe('data that goes out', () => {
  test('is cut into segments of the peer’s size', () => {
    const scene = Scene.opened(1000);
    scene.connection.write(letters(2500));
    scene.run(1);
    expect(scene.received().map(({ seq, data }) => [seq, data.length])).toEqual([
      [1, 1000],
      [1001, 1000],
      [2001, 500],
    ]);
  });

  test('that is lost is sent again after the timeout, at doubling intervals', () => {
    const scene = Scene.opened();
    scene.connection.write(Buffer.from('abc'));
    const times: number[] = [];
    scene.peer.onSegment = () => times.push(Math.round(scene.clock.now() / 1e6));
    scene.run(2000);
    // The round trip of the SYN was some 2 ms by the hand of the test, so the timeout is its minimum of 200 ms.
    expect(times.map((ms) => ms - times[0]!)).toEqual([0, 200, 600, 1400]);
    expect(new Set(scene.receivedLines())).toEqual(new Set(['. 1 1 abc']));
  });

  test('of which one segment is lost is mended after three duplicate acknowledgments', () => {
    const scene = Scene.opened(1000);
    scene.connection.write(letters(5000));
    scene.run(1);
    expect(scene.received()).toHaveLength(5);
    scene.send('.', 1, 1001); // the second is lost
    for (let later = 0; later < 3; later++) scene.send('.', 1, 1001);
    scene.run(1);
    expect(scene.received().map(({ seq }) => seq)).toEqual([1001]);
    scene.send('.', 1, 5001);
    scene.run(1000);
    expect(scene.received()).toEqual([]);
    expect(scene.clock.pending).toBe(0);
  });

  test('of which two segments are lost mends the second by the partial acknowledgment', () => {
    const scene = Scene.opened(1000);
    scene.connection.write(letters(6000));
    scene.run(1);
    scene.received();
    for (let times = 0; times < 4; times++) scene.send('.', 1, 1001);
    scene.run(1);
    expect(scene.received().map(({ seq }) => seq)).toEqual([1001]);
    scene.send('.', 1, 3001);
    scene.run(1);
    expect(scene.received().map(({ seq }) => seq)).toEqual([3001]);
  });

  test('after a timeout is sent again in order, and an acknowledgment of it all ends that', () => {
    const scene = Scene.opened(1000);
    scene.connection.write(letters(3000));
    scene.run(1);
    scene.received();
    scene.run(250);
    expect(scene.received().map(({ seq }) => seq)).toEqual([1]);
    scene.send('.', 1, 3001);
    scene.run(5000);
    expect(scene.received()).toEqual([]);
  });

  test('waits for a window, probes it, and goes on when it opens', () => {
    const scene = Scene.opened(1000, 0);
    scene.connection.write(Buffer.from('abcdef'));
    scene.run(1);
    expect(scene.receivedLines()).toEqual([]);
    scene.run(250);
    expect(scene.receivedLines()).toEqual(['. 1 1 a']);
    scene.send('.', 1, 1);
    scene.run(300_000);
    expect(scene.receivedLines().every((line) => line === '. 1 1 a')).toBe(true);
    scene.window = 1000;
    scene.send('.', 1, 1);
    scene.run(1);
    expect(scene.receivedLines()).toEqual(['. 1 1 abcdef']);
  });

  test('goes on behind a byte that a window probe got through', () => {
    const scene = Scene.opened(1000, 0);
    scene.connection.write(Buffer.from('abcdef'));
    scene.run(250);
    scene.received();
    scene.window = 1000;
    scene.send('.', 1, 2);
    scene.run(1);
    expect(scene.receivedLines()).toEqual(['. 2 1 bcdef']);
  });

  test('gives up a peer that answers no window probe', () => {
    const scene = Scene.opened(1000, 0);
    scene.connection.write(Buffer.from('abcdef'));
    scene.run(1_000_000);
    expect(scene.takeEvents()).toEqual(['close timeout']);
  });

  test('keeps to the window of the peer, and sends no short segment to fill it', () => {
    const scene = Scene.opened(1000, 2500);
    scene.connection.write(letters(10_000));
    scene.run(1);
    expect(scene.received().map(({ data }) => data.length)).toEqual([1000, 1000]);
  });

  test('keeps to the newest window, whatever order the segments come in', () => {
    const scene = Scene.opened();
    scene.window = 0;
    scene.send('.', 4, 1, 'def');
    scene.run(1);
    scene.window = 65_535;
    scene.send('.', 1, 1, 'abc'); // was sent before
    scene.run(1);
    scene.received();
    scene.connection.write(Buffer.from('answer'));
    scene.run(1);
    expect(scene.receivedLines()).toEqual([]);
  });

  test('starts with ten segments and takes more as they are acknowledged', () => {
    const scene = Scene.opened(1000);
    scene.connection.write(letters(60_000));
    scene.run(1);
    expect(scene.received()).toHaveLength(10);
    scene.send('.', 1, 10_001);
    scene.run(1);
    expect(scene.received().length).toBeGreaterThan(10);
  });

  test('is taken up to what fits, and there is word when there is room again', () => {
    const scene = Scene.opened(1000);
    expect(scene.connection.write(letters(300_000))).toBe(256 * 1024);
    expect(scene.connection.write(letters(1))).toBe(0);
    let acknowledged = 1;
    for (let rounds = 0; rounds < 200 && scene.events.length === 0; rounds++) {
      scene.run(1);
      for (const { seq, data } of scene.received()) acknowledged = Math.max(acknowledged, seq + data.length);
      scene.send('.', 1, acknowledged);
    }
    expect(scene.takeEvents()).toEqual(['drain']);
    expect(scene.connection.write(letters(100_000))).toBe(100_000);
  });

  test('is not hurt by an acknowledgment of what was never sent', () => {
    const scene = Scene.opened();
    scene.connection.write(Buffer.from('abc'));
    scene.run(1);
    scene.received();
    scene.send('.', 1, 5000);
    scene.run(1);
    expect(scene.receivedLines()).toEqual(['. 4 1']);
    scene.run(300);
    expect(scene.receivedLines()).toEqual(['. 1 1 abc']);
  });
});
