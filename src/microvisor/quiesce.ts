/**
 * Puts the devices of a guest that ends or falls asleep as they are out of reset, so that none of them moves a byte or raises an
 * interrupt on its behalf any more.
 */
import { VIRTIO_MAGIC, VIRTIO_MMIO, VIRTIO_STATUS } from '../firmware/index.ts';
import {
  IRQ,
  type MachineModeHart,
  plicContext,
  SIDE_IO,
  SIDE_IO_BASE,
  SIDES,
  type Side,
  slotBase,
} from '../machine/index.ts';
import { otherSide, type Partition, type SlotName, slotsOf } from './partition.ts';
import { Refusal } from './refusal.ts';

/** [PLIC] "Memory Map". */
const PLIC = {
  priority: 0x0,
  enable: 0x2000,
  enableContextBytes: 0x80,
  context: 0x20_0000,
  contextBytes: 0x1000,
  threshold: 0x0,
  claimComplete: 0x4,
} as const;
/** [16550] "Registers": the ones whose reset value silences it. */
const UART = { IER: 1, FCR: 2, LCR: 3, MCR: 4 } as const;
const FCR_CLEAR_FIFOS = 0x06n;
/** [goldfish-rtc] IRQ_ENABLED and CLEAR_ALARM. */
const RTC = { irqEnabled: 0x10, clearAlarm: 0x14 } as const;

/** The device status a driver has written into a slot; 0: no driver holds it, nothing is in flight. */
function driverStatus(hart: MachineModeHart, { side, index }: SlotName): number {
  const base = slotBase(side, index);
  if (hart.load(base + VIRTIO_MMIO.magicValue, 4) !== BigInt(VIRTIO_MAGIC)) return 0;
  if ((hart.load(base + VIRTIO_MMIO.deviceId, 4) ?? 0n) === 0n) return 0;
  return Number(hart.load(base + VIRTIO_MMIO.status, 4) ?? 0n);
}

/**
 * Every device that is not `guest`'s is held by no driver: none can have anything in flight.
 * @throws Refusal `device-in-use`
 */
export function checkDevicesReleased(hart: MachineModeHart, partition: Partition, guest: Side): void {
  for (const owner of [otherSide(guest), null]) {
    for (const slot of slotsOf(partition, owner)) checkReleased(hart, slot);
  }
}

/**
 * No driver holds the device in a slot: then nothing of it is in flight. A driver that has let go leaves 0 or, as Linux's
 * bus does, a device that is acknowledged again.
 * @throws Refusal `device-in-use`
 */
export function checkReleased(hart: MachineModeHart, slot: SlotName): void {
  const status = driverStatus(hart, slot);
  if ((status & ~VIRTIO_STATUS.acknowledge) === 0) return;
  const name = `${slot.side}${slot.index}`;
  throw new Refusal('device-in-use', `slot ${name} is held by a driver: virtio Status is ${status}, not 0`);
}

/** A device that no driver holds, as its next owner finds it: out of reset. */
export function resetReleased(hart: MachineModeHart, slot: SlotName): void {
  if (driverStatus(hart, slot) !== 0) hart.store(slotBase(slot.side, slot.index) + VIRTIO_MMIO.status, 4, 0n);
}

/** Resets every device `guest` owns. Its other side's OS, if any, is not touched. */
export function quiesceDevices(
  hart: MachineModeHart,
  partition: Partition,
  guest: Side,
  hartIds: readonly number[],
): void {
  for (const slot of slotsOf(partition, guest)) {
    if (driverStatus(hart, slot) !== 0) hart.store(slotBase(slot.side, slot.index) + VIRTIO_MMIO.status, 4, 0n);
  }
  for (const side of SIDES) {
    if (partition.blocks[side] !== guest) continue;
    resetUart(hart, side);
    resetClock(hart, side);
    resetPlic(hart, side, hartIds);
  }
}

function resetUart(hart: MachineModeHart, side: Side): void {
  const base = SIDE_IO_BASE[side] + SIDE_IO.uart.offset;
  hart.store(base + UART.LCR, 1, 0n);
  hart.store(base + UART.IER, 1, 0n);
  hart.store(base + UART.FCR, 1, FCR_CLEAR_FIFOS);
  hart.store(base + UART.MCR, 1, 0n);
}

function resetClock(hart: MachineModeHart, side: Side): void {
  const base = SIDE_IO_BASE[side] + SIDE_IO.rtc.offset;
  hart.store(base + RTC.irqEnabled, 4, 0n);
  hart.store(base + RTC.clearAlarm, 4, 1n);
}

/** An interrupt the OS had claimed is completed: its gateway would stay shut. A source has to be enabled for that. */
function resetPlic(hart: MachineModeHart, side: Side, hartIds: readonly number[]): void {
  const base = SIDE_IO_BASE[side] + SIDE_IO.plic.offset;
  for (let source = 1; source <= IRQ.sources; source++) hart.store(base + PLIC.priority + 4 * source, 4, 0n);
  for (const hartId of hartIds) resetPlicContext(hart, base, plicContext(hartId, 'S'));
}

function resetPlicContext(hart: MachineModeHart, base: number, context: number): void {
  const enable = base + PLIC.enable + PLIC.enableContextBytes * context;
  const registers = base + PLIC.context + PLIC.contextBytes * context;
  hart.store(enable, 4, 0xffff_fffen);
  for (let source = 1; source <= IRQ.sources; source++) {
    hart.store(registers + PLIC.claimComplete, 4, BigInt(source));
  }
  hart.store(enable, 4, 0n);
  hart.store(registers + PLIC.threshold, 4, 0n);
}
