import { describe, expect, test } from 'vitest';
import { ClientStack } from '../../src/network/client-stack.ts';
import { EthernetSwitch } from '../../src/network/ethernet-switch.ts';
import type { TcpConnection } from '../../src/network/tcp-connection.ts';
import { CLIENT_IP, CLIENT_MAC, PEER_IP, Scene } from './hand-peer.ts';
import { HandServer } from './hand-server.ts';
import { VirtualClock } from './virtual-clock.ts';

describe('a connection that closes', () => {
  test('from our side goes through FIN_WAIT_2 to TIME_WAIT and is gone a second later', () => {
    const scene = Scene.opened();
    scene.connection.end();
    scene.run(1);
    expect(scene.receivedLines()).toEqual(['F. 1 1']);
    scene.send('.', 1, 2);
    scene.run(1);
    expect(scene.connection.state).toBe('FIN_WAIT_2');
    scene.send('F.', 1, 2);
    scene.run(1);
    expect(scene.receivedLines()).toEqual(['. 2 2']);
    expect(scene.connection.state).toBe('TIME_WAIT');
    expect(scene.takeEvents()).toEqual(['end', 'close closed']);
    scene.run(1000);
    expect(scene.connection.state).toBe('CLOSED');
    expect(scene.clock.pending).toBe(0);
  });

  test('from the peer’s side goes through CLOSE_WAIT and LAST_ACK', () => {
    const scene = Scene.opened();
    scene.send('F.', 1, 1, 'bye');
    scene.run(1);
    expect(scene.takeEvents()).toEqual(['data bye', 'end']);
    expect(scene.receivedLines()).toEqual(['. 1 5']);
    expect(scene.connection.state).toBe('CLOSE_WAIT');
    scene.connection.write(Buffer.from('and you'));
    scene.connection.end();
    scene.run(1);
    expect(scene.receivedLines()).toEqual(['. 1 5 and you', 'F. 8 5']);
    scene.send('.', 5, 9);
    scene.run(1);
    expect(scene.takeEvents()).toEqual(['close closed']);
    expect(scene.clock.pending).toBe(0);
  });

  test('from both sides at once goes through CLOSING', () => {
    const scene = Scene.opened();
    scene.connection.end();
    scene.run(1);
    scene.send('F.', 1, 1);
    scene.run(1);
    expect(scene.connection.state).toBe('CLOSING');
    scene.send('.', 2, 2);
    scene.run(1);
    expect(scene.connection.state).toBe('TIME_WAIT');
    expect(scene.takeEvents()).toEqual(['end', 'close closed']);
  });

  test('sends a lost FIN again', () => {
    const scene = Scene.opened();
    scene.connection.end();
    scene.run(300);
    expect(scene.receivedLines()).toEqual(['F. 1 1', 'F. 1 1']);
  });

  test('sends the FIN after the data, with the last of it', () => {
    const scene = Scene.opened(1000);
    scene.connection.write(Buffer.alloc(1500, 'x'));
    scene.connection.end();
    expect(scene.connection.write(Buffer.from('more'))).toBe(0);
    scene.run(1);
    const received = scene.received();
    expect(received.map(({ seq, flags }) => [seq, flags])).toEqual([
      [1, '.'],
      [1001, '.'],
      [1501, 'F.'],
    ]);
  });

  test('holds a FIN back while the window is closed', () => {
    const scene = Scene.opened(1000, 0);
    scene.connection.end();
    scene.run(1);
    expect(scene.receivedLines()).toEqual([]);
    scene.window = 100;
    scene.send('.', 1, 1);
    scene.run(1);
    expect(scene.receivedLines()).toEqual(['F. 1 1']);
  });

  test('acknowledges a FIN again in TIME_WAIT', () => {
    const scene = Scene.opened();
    scene.connection.end();
    scene.run(1);
    scene.send('F.', 1, 2);
    scene.run(1);
    scene.received();
    scene.run(900);
    scene.send('F.', 1, 2);
    scene.run(1);
    expect(scene.receivedLines()).toEqual(['. 2 2']);
    scene.run(900);
    expect(scene.connection.state).toBe('TIME_WAIT');
  });

  test('takes a FIN that comes before the data in front of it', () => {
    const scene = Scene.opened();
    scene.send('F.', 4, 1, 'def');
    scene.run(1);
    expect(scene.takeEvents()).toEqual([]);
    scene.send('.', 1, 1, 'abc');
    scene.run(1);
    expect(scene.takeEvents()).toEqual(['data abc', 'data def', 'end']);
  });

  test('takes no data after the FIN', () => {
    const scene = Scene.opened();
    scene.send('F.', 1, 1, 'abc');
    scene.send('.', 5, 1, 'zzz');
    scene.run(100);
    expect(scene.takeEvents()).toEqual(['data abc', 'end']);
    expect(scene.received().at(-1)?.ack).toBe(5);
  });

  test('leaves at most 1024 in TIME_WAIT, the latest', () => {
    const clock = new VirtualClock();
    const ethernet = new EthernetSwitch({ clock, latencyNs: 10_000 });
    const stack = new ClientStack({ clock, mac: CLIENT_MAC, address: `${CLIENT_IP}/24`, seed: 1 });
    ethernet.attach(stack);
    ethernet.attach(new HandServer({ clock, respond: () => undefined }));
    const connections = Array.from({ length: 1030 }, () => {
      const connection: TcpConnection = stack.connect(
        { address: PEER_IP, port: 80 },
        { onOpen: () => connection.end() },
      );
      clock.run(clock.now() + 200_000);
      return connection;
    });
    const states = connections.map(({ state }) => state);
    expect(new Set(states.slice(0, 6))).toEqual(new Set(['CLOSED']));
    expect(new Set(states.slice(6))).toEqual(new Set(['TIME_WAIT']));
  });

  test('gives a paused reader the rest before the end', () => {
    const scene = Scene.opened();
    scene.connection.pause();
    scene.connection.end();
    scene.run(1);
    scene.send('F.', 1, 2, 'rest');
    scene.run(5000);
    expect(scene.takeEvents()).toEqual([]);
    expect(scene.connection.state).toBe('CLOSED');
    scene.connection.resume();
    expect(scene.takeEvents()).toEqual(['data rest', 'end', 'close closed']);
  });

  test('times out when the peer acknowledges the FIN and never ends', () => {
    const scene = Scene.opened();
    scene.connection.end();
    scene.run(1);
    scene.send('.', 1, 2);
    scene.run(121_000);
    expect(scene.takeEvents()).toEqual(['close timeout']);
    expect(scene.clock.pending).toBe(0);
  });

  test('stays half-closed while the peer goes on sending', () => {
    const scene = Scene.opened();
    scene.connection.end();
    scene.run(1);
    scene.send('.', 1, 2);
    for (let piece = 0; piece < 5; piece++) {
      scene.run(60_000);
      scene.send('.', 1 + piece, 2, 'x');
    }
    scene.run(1000);
    expect(scene.takeEvents()).toEqual(Array.from({ length: 5 }, () => 'data x'));
  });
});

describe('a reset', () => {
  test('at the next sequence number ends the connection', () => {
    const scene = Scene.opened();
    scene.send('R', 1, 0);
    scene.run(1);
    expect(scene.takeEvents()).toEqual(['close reset']);
    expect(scene.receivedLines()).toEqual([]);
    expect(scene.clock.pending).toBe(0);
  });

  test('elsewhere in the window is challenged', () => {
    const scene = Scene.opened();
    scene.send('R', 100, 0);
    scene.run(1);
    expect(scene.takeEvents()).toEqual([]);
    expect(scene.receivedLines()).toEqual(['. 1 1']);
  });

  test('outside the window is nothing', () => {
    const scene = Scene.opened();
    scene.send('R', -5, 0);
    scene.send('R', 100_000, 0);
    scene.run(1);
    expect(scene.takeEvents()).toEqual([]);
    expect(scene.receivedLines()).toEqual([]);
  });

  test('is what an abort sends', () => {
    const scene = Scene.opened();
    scene.connection.write(Buffer.from('abc'));
    scene.connection.abort();
    scene.run(1);
    expect(scene.receivedLines()).toEqual(['. 1 1 abc', 'R. 4 1']);
    expect(scene.takeEvents()).toEqual(['close aborted']);
    expect(scene.clock.pending).toBe(0);
  });

  test('a SYN in the window is challenged', () => {
    const scene = Scene.opened();
    scene.send('S', 50, 0);
    scene.run(1);
    expect(scene.receivedLines()).toEqual(['. 1 1']);
  });

  test('a SYN that was seen is acknowledged again', () => {
    const scene = Scene.opened();
    scene.send('S.', 0, 1);
    scene.run(1);
    expect(scene.receivedLines()).toEqual(['. 1 1']);
    expect(scene.takeEvents()).toEqual([]);
  });

  test('a segment without acknowledgment is nothing', () => {
    const scene = Scene.opened();
    scene.send('', 1, 0, 'abc');
    scene.run(100);
    expect(scene.takeEvents()).toEqual([]);
    expect(scene.receivedLines()).toEqual([]);
  });
});
