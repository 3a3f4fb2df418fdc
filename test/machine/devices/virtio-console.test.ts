import { beforeEach, describe, expect, it } from 'vitest';
import { VirtioConsole } from '../../../src/machine/devices/virtio/console.ts';
import { type Bench, bytesOf, createBench, type DriverQueue, RAM, REG, startDevice, startDriver } from './support.ts';

const MULTIPORT = 2n;
const AGENT = 'org.qemu.guest_agent.0';
const OUT = RAM.base + 0x2_0000;
const IN = RAM.base + 0x3_0000;
const BUFFER_BYTES = 64;
/** Queues of the control port and of port 1. */
const QUEUES = [2, 3, 4, 5];

let bench: Bench;
let device: VirtioConsole;
let controlRx: DriverQueue;
let controlTx: DriverQueue;
let portRx: DriverQueue;
let portTx: DriverQueue;
let output: string;

const text = (bytes: readonly number[] | Uint8Array): string => new TextDecoder().decode(Uint8Array.from(bytes));

beforeEach(() => {
  bench = createBench();
  device = new VirtioConsole({ name: 'console', ports: [AGENT, 'other'], timers: bench.events });
  const queues = startDevice(bench, device, { queues: QUEUES, features: MULTIPORT });
  [controlRx, controlTx, portRx, portTx] = queues as [DriverQueue, DriverQueue, DriverQueue, DriverQueue];
  output = '';
  device.outside.ports!.get(AGENT)!.onOutput = (bytes) => {
    output += text(bytes);
  };
  for (let index = 0; index < 8; index++) {
    controlRx.add([{ address: IN + index * BUFFER_BYTES, bytes: BUFFER_BYTES, writable: true }]);
  }
});

function control(id: number, event: number, value: number): void {
  const message = new DataView(new ArrayBuffer(8));
  message.setUint32(0, id, true);
  message.setUint16(4, event, true);
  message.setUint16(6, value, true);
  bench.memory.write(OUT, new Uint8Array(message.buffer));
  controlTx.add([{ address: OUT, bytes: 8 }]);
  controlTx.notify();
  bench.advance(0);
}

/** Control messages the device has sent: [id, event, value, text after them]. */
const received = () =>
  controlRx.takeUsed().map(({ id, length }) => {
    const bytes = bytesOf(bench, IN + id * BUFFER_BYTES, length);
    return [bytes[0], bytes[4], bytes[6], text(bytes.slice(8))];
  });

describe('virtio-console', () => {
  it('says how many ports there are, and adds them when the driver is ready', () => {
    expect(bench.read(REG.config + 4)).toBe(3);
    control(0, 0, 1);
    expect(received()).toEqual([
      [1, 1, 1, ''],
      [2, 1, 1, ''],
    ]);
  });

  it('names a port that is ready and says that its far end is open', () => {
    control(1, 3, 1);
    expect(received()).toEqual([
      [1, 7, 1, AGENT],
      [1, 6, 1, ''],
    ]);
  });

  it('carries 64 KiB out of a port in one buffer, and nothing of a larger one', () => {
    for (const bytes of [0x1_0001, 0x1_0000]) portTx.add([{ address: OUT, bytes }]);
    portTx.notify();
    bench.advance(0);
    expect([output.length, portTx.takeUsed().length]).toEqual([0x1_0000, 2]);
  });

  it('carries bytes out of a port', () => {
    bench.memory.write(OUT, new TextEncoder().encode('{"execute"'));
    portTx.add([{ address: OUT, bytes: 10 }]);
    portTx.notify();
    bench.advance(0);
    expect([output, portTx.takeUsed().length]).toEqual(['{"execute"', 1]);
  });

  it('carries bytes into a port once the guest has opened it, over as many buffers as it takes', () => {
    device.outside.ports!.get(AGENT)!.input(new TextEncoder().encode('hello, guest'));
    bench.advance(0);
    portRx.add([{ address: IN + 0x1000, bytes: 8, writable: true }]);
    control(1, 6, 1);
    expect(portRx.takeUsed()).toEqual([{ id: 0, length: 8 }]);
    portRx.add([{ address: IN + 0x1000 + 8, bytes: 8, writable: true }]);
    portRx.notify();
    bench.advance(0);
    expect(portRx.takeUsed()).toEqual([{ id: 1, length: 4 }]);
    expect(text(bytesOf(bench, IN + 0x1000, 12))).toBe('hello, guest');
  });

  it('keeps what comes for a port the guest has closed', () => {
    portRx.add([{ address: IN + 0x1000, bytes: 8, writable: true }]);
    control(1, 6, 1);
    control(1, 6, 0);
    device.outside.ports!.get(AGENT)!.input(Uint8Array.of(1));
    bench.advance(0);
    expect(portRx.takeUsed()).toEqual([]);
    control(1, 6, 1);
    expect(portRx.takeUsed()).toHaveLength(1);
  });

  it('tells once that a port was reset, and only when the guest had opened it', () => {
    const port = device.outside.ports!.get(AGENT)!;
    let resets = 0;
    port.onReset = () => {
      resets += 1;
    };
    bench.write(REG.status, 0);
    expect([port.wasOpened, resets]).toEqual([false, 0]);
    [, controlTx] = startDriver(bench, { queues: QUEUES, features: MULTIPORT }) as [DriverQueue, DriverQueue];
    control(1, 6, 1);
    control(1, 6, 0);
    expect([port.wasOpened, resets]).toEqual([true, 0]);
    bench.write(REG.status, 0);
    bench.write(REG.status, 0);
    expect([port.wasOpened, resets]).toEqual([false, 1]);
  });

  it('comes out of a snapshot with what waited for the guest', () => {
    control(1, 6, 1);
    device.outside.ports!.get(AGENT)!.input(Uint8Array.of(9));
    const transport = bench.transport.save();
    const events = bench.events.save();
    bench.transport.reset();
    bench.transport.restore(transport);
    bench.events.restore(events);
    expect(bench.transport.save()).toEqual(transport);
    portRx.add([{ address: IN + 0x1000, bytes: 8, writable: true }]);
    bench.advance(0);
    expect(portRx.takeUsed()).toEqual([{ id: 0, length: 1 }]);
  });
});
