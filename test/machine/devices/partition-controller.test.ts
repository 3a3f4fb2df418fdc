import { beforeEach, describe, expect, it } from 'vitest';
import { Iopmp } from '../../../src/machine/devices/iopmp.ts';
import { Mailbox } from '../../../src/machine/devices/mailbox.ts';
import { PartitionController } from '../../../src/machine/devices/partition-controller.ts';
import { PARTITION_REGISTERS as REG } from '../../../src/machine/door.ts';
import { createPhysicalMemory } from '../../../src/machine/memory.ts';
import { RAM } from './support.ts';

let controller: PartitionController;
let iopmp: Iopmp;
let mailbox: Mailbox;
let lines: Record<string, boolean>;
let power: string[];

const read = (offset: number): number => Number(controller.read(offset, 4));
const write = (offset: number, value: number): void => controller.write(offset, 4, BigInt(value));

beforeEach(() => {
  lines = {};
  power = [];
  iopmp = new Iopmp(createPhysicalMemory(RAM.base, RAM.bytes));
  mailbox = new Mailbox();
  controller = new PartitionController({
    harts: 2,
    iopmp,
    mailbox,
    setLine: (hartId, line, level) => {
      lines[`${line}${hartId}`] = level;
    },
    onPower: (action) => power.push(action),
    onResponse: (deliver) => deliver(),
  });
});

describe('the partition controller', () => {
  it('steers the output of a side’s PLIC to SEIP, to MEIP or nowhere', () => {
    controller.setPlicOutput('A', 0, true);
    expect([lines['SEIP0'], lines['MEIP0'], read(REG.pending)]).toEqual([false, false, 0]);
    write(REG.steer, 1);
    expect([lines['SEIP0'], lines['MEIP0'], read(REG.pending)]).toEqual([true, false, 0]);
    write(REG.steer, 2);
    expect([lines['SEIP0'], lines['MEIP0'], read(REG.pending)]).toEqual([false, true, 1]);
    controller.setPlicOutput('A', 0, false);
    expect([lines['MEIP0'], read(REG.pending)]).toEqual([false, 0]);
  });

  it('steers each side and each hart by itself', () => {
    write(REG.steer, 0b0001);
    write(REG.steer + 4, 0b1000);
    controller.setPlicOutput('B', 1, true);
    controller.setPlicOutput('A', 1, true);
    expect(lines).toEqual({ SEIP0: false, MEIP0: false, SEIP1: false, MEIP1: true });
    expect(read(REG.pending)).toBe(2);
  });

  it('keeps the bits of harts there are and reads the reserved encoding as off', () => {
    write(REG.steer, 0xffff_ffe6);
    expect(read(REG.steer)).toBe(0b0110);
    write(REG.steer, 0b1101);
    expect(read(REG.steer)).toBe(0b0001);
  });

  it('holds the IOPMP ranges, 8 bytes each, reachable in halves', () => {
    expect([controller.read(REG.iopmp, 8), controller.read(REG.iopmp + 8, 8)]).toEqual([
      BigInt(RAM.base),
      BigInt(RAM.bytes),
    ]);
    const range = REG.iopmp + 9 * 64 + 2 * 16;
    controller.write(range, 8, 0x8000_1000n);
    write(range + 8, 0x2000);
    write(range + 12, 0);
    expect(iopmp.rangesOf(9)).toEqual([RAM, { base: 0x8000_1000, bytes: 0x2000 }]);
  });

  it('counts denied accesses per slot', () => {
    write(REG.iopmp + 5 * 64 + 8, 0);
    expect(iopmp.port(5).read(RAM.base, 4)).toBeUndefined();
    expect(iopmp.port(5).write(RAM.base, Uint8Array.of(1))).toBe(false);
    expect([read(REG.iopmpDenied + 4 * 5), read(REG.iopmpDenied)]).toEqual([2, 0]);
  });

  it('presents requests of the mailbox one at a time to M-mode of hart 0', () => {
    const responses: string[] = [];
    const post = (request: string): void => {
      mailbox.post(new TextEncoder().encode(request), (bytes) => responses.push(new TextDecoder().decode(bytes)));
      controller.mailboxPosted();
    };
    post('first');
    post('2');
    expect([lines['MEIP0'], lines['MEIP1'], read(REG.pending), read(REG.mailboxRequestBytes)]).toEqual([
      true,
      false,
      4,
      5,
    ]);
    expect([read(REG.mailboxData), read(REG.mailboxRequestBytes), read(REG.mailboxData)]).toEqual([
      0x7372_6966, 1, 0x74,
    ]);
    write(REG.mailboxResponse, 0x0000_6b6f);
    write(REG.mailboxDone, 2);
    expect([responses, lines['MEIP0'], read(REG.mailboxRequestBytes)]).toEqual([['ok'], true, 1]);
    write(REG.mailboxDone, 0);
    expect([responses, lines['MEIP0'], read(REG.pending)]).toEqual([['ok', ''], false, 0]);
  });

  it('has a power register', () => {
    write(REG.power, 1);
    write(REG.power, 2);
    write(REG.power, 3);
    expect(power).toEqual(['reset', 'off']);
  });

  it('comes out of a snapshot as it went in', () => {
    write(REG.steer, 2);
    write(REG.iopmp + 64, 0x8000_2000);
    iopmp.port(0).read(0, 1);
    mailbox.post(Uint8Array.of(1, 2, 3, 4, 5), () => {});
    read(REG.mailboxData);
    const saved = controller.save();
    controller.reset();
    expect(controller.save()).not.toEqual(saved);
    controller.restore(saved);
    expect(controller.save()).toEqual(saved);
    expect([read(REG.steer), read(REG.mailboxData), lines['MEIP0']]).toEqual([2, 5, true]);
  });
});
