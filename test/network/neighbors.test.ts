import { describe, expect, test } from 'vitest';
import { formatMac, parseMac } from '../../src/network/ethernet.ts';
import { decodeIcmp, encodeIcmp } from '../../src/network/icmp.ts';
import { IP_PROTOCOL, parseIpv4 } from '../../src/network/ipv4.ts';
import { CLIENT_IP, CLIENT_MAC, PEER_IP, PEER_MAC, Scene } from './hand-peer.ts';

const OTHER_MAC = '52:54:00:00:00:0b';
const peer = { senderMac: parseMac(OTHER_MAC), senderIp: parseIpv4(PEER_IP) };

const known = (scene: Scene): string | undefined => {
  const mac = scene.stack.neighborOf(PEER_IP);
  return mac === undefined ? undefined : formatMac(mac);
};

describe('a client’s neighbours', () => {
  test('are asked for by broadcast and remembered', () => {
    const scene = Scene.opened();
    expect(scene.peer.arps).toMatchObject([
      { operation: 1, senderIp: parseIpv4(CLIENT_IP), targetIp: parseIpv4(PEER_IP) },
    ]);
    scene.connection.write(Buffer.from('x'));
    scene.run(1);
    expect(scene.peer.arps).toHaveLength(1);
    expect(known(scene)).toBe(PEER_MAC);
  });

  test.each([
    ['a gratuitous request', { operation: 1, ...peer, targetMac: 0, targetIp: parseIpv4(PEER_IP) }],
    ['a gratuitous reply', { operation: 2, ...peer, targetMac: 0xffffffffffff, targetIp: parseIpv4(PEER_IP) }],
    [
      'an unsolicited reply',
      { operation: 2, ...peer, targetMac: parseMac(CLIENT_MAC), targetIp: parseIpv4(CLIENT_IP) },
    ],
    ['a request for somebody else', { operation: 1, ...peer, targetMac: 0, targetIp: parseIpv4('10.0.0.99') }],
  ])('change at %s', (_what, packet) => {
    const scene = Scene.opened();
    scene.peer.sendArp(packet, 0xffffffffffff);
    scene.run(1);
    expect(known(scene)).toBe(OTHER_MAC);
  });

  test('are not learned from announcements of addresses nobody uses', () => {
    const scene = new Scene();
    scene.peer.sendArp({ operation: 1, ...peer, targetMac: 0, targetIp: parseIpv4(PEER_IP) }, 0xffffffffffff);
    scene.run(1);
    expect(known(scene)).toBeUndefined();
  });

  test('cannot take the client’s own address', () => {
    const scene = Scene.opened();
    const own = parseIpv4(CLIENT_IP);
    scene.peer.sendArp(
      { operation: 1, senderMac: peer.senderMac, senderIp: own, targetMac: 0, targetIp: own },
      0xffffffffffff,
    );
    scene.run(1);
    expect(known(scene)).toBe(PEER_MAC);
  });

  test('that ask for the client get its address and are remembered', () => {
    const scene = new Scene();
    scene.peer.sendArp({ operation: 1, ...peer, targetMac: 0, targetIp: parseIpv4(CLIENT_IP) }, 0xffffffffffff);
    scene.run(1);
    expect(known(scene)).toBe(OTHER_MAC);
    expect(scene.stack.counters.framesOut).toBe(1);
  });

  test('that were not confirmed for a minute are asked again while in use', () => {
    const scene = Scene.opened();
    scene.run(61_000);
    scene.peer.answersArp = false;
    scene.connection.write(Buffer.from('x'));
    scene.run(1);
    expect(scene.received()).toHaveLength(1);
    expect(scene.peer.arps).toHaveLength(2);
    scene.run(10_000);
    expect(known(scene)).toBe(PEER_MAC);
  });

  test('packets that wait for an address go out when it is known', () => {
    const scene = new Scene();
    scene.peer.answersArp = false;
    scene.connect();
    scene.stack.connect({ address: PEER_IP, port: 81 }, {});
    scene.run(500);
    expect(scene.peer.segments).toEqual([]);
    scene.peer.answersArp = true;
    scene.run(1000);
    expect([...new Set(scene.peer.segments.map(({ destinationPort }) => destinationPort))]).toEqual([80, 81]);
  });
});

describe('a client', () => {
  test('answers a ping', () => {
    const scene = Scene.opened();
    scene.peer.packets.length = 0;
    const request = { type: 8, code: 0, rest: 0x1234_0001, payload: Buffer.from('ping') };
    scene.peer.sendPacket(IP_PROTOCOL.icmp, encodeIcmp(request));
    scene.run(1);
    const reply = decodeIcmp(scene.peer.packets[0]!.payload)!;
    expect({ ...reply, payload: Buffer.from(reply.payload).toString() }).toEqual({
      type: 0,
      code: 0,
      rest: 0x1234_0001,
      payload: 'ping',
    });
  });

  test('pings, and tells when there is no answer', () => {
    const scene = Scene.opened();
    const roundTrips: (number | undefined)[] = [];
    scene.stack.ping(PEER_IP, 1e9, (ns) => roundTrips.push(ns));
    scene.stack.ping(PEER_IP, 1e9, (ns) => roundTrips.push(ns));
    scene.run(1);
    const request = decodeIcmp(scene.peer.packets.at(-1)!.payload)!;
    scene.peer.sendPacket(IP_PROTOCOL.icmp, encodeIcmp({ ...request, type: 0 }));
    scene.run(2000);
    expect(roundTrips).toHaveLength(2);
    expect(roundTrips[0]).toBeGreaterThan(0);
    expect(roundTrips[1]).toBeUndefined();
  });

  test.each([
    ['10.0.1.10', 80],
    [CLIENT_IP, 80],
    ['10.0.0.300', 80],
    ['example.org', 80],
    [PEER_IP, 0],
    [PEER_IP, 65_536],
  ])('cannot connect to %s port %i', (address, port) => {
    expect(() => new Scene().stack.connect({ address, port }, {})).toThrow(RangeError);
  });
});
