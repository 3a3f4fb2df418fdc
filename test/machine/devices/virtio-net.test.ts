import { beforeEach, describe, expect, it } from 'vitest';
import { TIMING } from '../../../src/machine/board.ts';
import { VirtioNet } from '../../../src/machine/devices/virtio/net.ts';
import { type Bench, bytesOf, createBench, type DriverQueue, RAM, REG, SLOT, startDevice } from './support.ts';

const HEADER_BYTES = 12;
const TX_BUFFER = RAM.base + 0x8000;
const RX_BUFFER = RAM.base + 0xa000;
const FRAME = Uint8Array.from({ length: 60 }, (_, index) => index);
const WIRE_NS = Math.ceil((60 * TIMING.ethernetNsPerKib) / 1024);

let bench: Bench;
let device: VirtioNet;
let rx: DriverQueue;
let tx: DriverQueue;
let sent: Uint8Array[];

beforeEach(() => {
  bench = createBench();
  device = new VirtioNet({ name: 'net', mac: '52:54:00:12:34:56', timers: bench.events });
  sent = [];
  device.outside.ethernet.onTransmit = (frame) => sent.push(frame);
  [rx, tx] = startDevice(bench, device, { queues: [0, 1], features: 1n }) as [DriverQueue, DriverQueue];
});

function transmit(frame: Uint8Array, header = new Uint8Array(HEADER_BYTES)): void {
  bench.memory.write(TX_BUFFER, header);
  bench.memory.write(TX_BUFFER + HEADER_BYTES, frame);
  tx.add([{ address: TX_BUFFER, bytes: HEADER_BYTES + frame.length }]);
  tx.notify();
}

const offerBuffer = (address = RX_BUFFER, bytes = 1526): void => {
  rx.add([{ address, bytes, writable: true }]);
  rx.notify();
};

describe('virtio-net', () => {
  it('has the MAC address it was given and its link up', () => {
    expect([...Array(6).keys()].map((at) => Number(bench.transport.read(REG.config + at, 1)))).toEqual([
      0x52, 0x54, 0, 0x12, 0x34, 0x56,
    ]);
    expect(Number(bench.transport.read(REG.config + 6, 2))).toBe(1);
  });

  it('sends a frame when its serialisation is over', () => {
    transmit(FRAME);
    expect(tx.takeUsed()).toHaveLength(1);
    bench.advance(WIRE_NS - 1);
    expect(sent).toEqual([]);
    bench.advance(1);
    expect(sent).toEqual([FRAME]);
  });

  it('hands a frame to the guest with its header', () => {
    offerBuffer();
    device.outside.ethernet.receive(FRAME);
    bench.advance(WIRE_NS - 1);
    expect(bench.wire).toBe(false);
    bench.advance(1);
    expect(bench.wire).toBe(true);
    expect(rx.takeUsed()).toEqual([{ id: 0, length: HEADER_BYTES + 60 }]);
    expect(bytesOf(bench, RX_BUFFER, HEADER_BYTES)).toEqual([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0]);
    expect(bytesOf(bench, RX_BUFFER + HEADER_BYTES, 60)).toEqual([...FRAME]);
  });

  it('keeps a frame until the guest gives a buffer', () => {
    device.outside.ethernet.receive(FRAME);
    bench.advance(1_000_000);
    offerBuffer();
    bench.advance(0);
    expect(rx.takeUsed()).toHaveLength(1);
  });

  it('drops and counts what is not a frame and what finds no room', () => {
    device.outside.ethernet.receive(new Uint8Array(13));
    device.outside.ethernet.receive(new Uint8Array(1515));
    for (let index = 0; index < 1025; index++) device.outside.ethernet.receive(FRAME);
    expect(device.counters.receiveDropped).toBe(3);
  });

  it('completes the checksum a driver has left to it', () => {
    const frame = new Uint8Array(60);
    frame.set([0x12, 0x34, 0x56, 0x78, 0x00, 0x01], 34);
    const header = new DataView(new ArrayBuffer(HEADER_BYTES));
    header.setUint8(0, 1);
    header.setUint16(6, 34, true);
    header.setUint16(8, 16, true);
    transmit(frame, new Uint8Array(header.buffer));
    bench.advance(100_000);
    // ~(0x1234 + 0x5678 + 0x0001)
    expect([...sent[0]!.subarray(50, 52)]).toEqual([0x97, 0x52]);
  });

  it('counts a checksum outside the frame as an error and sends nothing', () => {
    const header = new DataView(new ArrayBuffer(HEADER_BYTES));
    header.setUint8(0, 1);
    header.setUint16(6, 58, true);
    header.setUint16(8, 16, true);
    transmit(FRAME, new Uint8Array(header.buffer));
    bench.advance(100_000);
    expect([sent, device.counters.transmitErrors, tx.takeUsed().length]).toEqual([[], 1, 1]);
  });

  it('neither sends from nor receives into memory that is not the owner’s', () => {
    offerBuffer(RAM.base + 0x2_0000);
    bench.own(RAM.base, 0x8000);
    transmit(FRAME);
    device.outside.ethernet.receive(FRAME);
    bench.advance(1_000_000);
    expect([sent, device.counters.transmitErrors, device.counters.receiveDropped]).toEqual([[], 1, 1]);
    expect(bytesOf(bench, RAM.base + 0x2_0000, 72).every((byte) => byte === 0)).toBe(true);
    expect(bench.iopmp.denied(SLOT)).toBe(2);
  });

  it('goes on after a snapshot as it did before, with the frames that were underway', () => {
    for (let index = 0; index < 3; index++) offerBuffer(RX_BUFFER + 0x800 * index);
    transmit(FRAME);
    device.outside.ethernet.receive(FRAME);
    const transport = bench.transport.save();
    const events = bench.events.save();
    const goOn = (): unknown[] => {
      const log: unknown[] = [];
      device.outside.ethernet.receive(FRAME);
      device.outside.ethernet.onTransmit = (frame) => log.push([bench.clock.ns, frame.length]);
      for (let ns = 0; ns < 4 * WIRE_NS; ns++) {
        bench.write(REG.interruptAck, 1);
        bench.advance(1);
        if (bench.wire) log.push([bench.clock.ns, rx.read16(rx.device + 2)]);
      }
      return [log, bench.transport.save()];
    };
    const first = goOn();
    bench.clock.ns = 0;
    rx.write16(rx.device + 2, 0);
    bench.transport.restore(transport);
    bench.events.restore(events);
    expect(bench.transport.save()).toEqual(transport);
    expect(goOn()).toEqual(first);
    expect(first[0]).toHaveLength(3);
  });
});
