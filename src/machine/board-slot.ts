/** A virtio slot of the board as the layers above have it. */
import type { Side } from './board.ts';
import { VirtioBlock } from './devices/virtio/block.ts';
import { VirtioConsole } from './devices/virtio/console.ts';
import { VirtioEntropy } from './devices/virtio/entropy.ts';
import type { MmioTransport } from './devices/virtio/mmio-transport.ts';
import { VirtioNet } from './devices/virtio/net.ts';
import type { VirtioModel } from './devices/virtio/virtio-model.ts';
import type { PluggedDevice, Slot, SlotDevice } from './door.ts';
import type { TimerSource } from './event-queue.ts';

export interface BoardSlotOptions {
  readonly side: Side;
  readonly index: number;
  readonly transport: MmioTransport;
  readonly timers: TimerSource;
  readonly random: (bytes: number) => Uint8Array;
}

export function createSlot(options: BoardSlotOptions): Slot {
  const { side, index, transport } = options;
  return {
    side,
    index,
    get device(): PluggedDevice | undefined {
      return transport.model?.outside;
    },
    plug(device: SlotDevice): PluggedDevice {
      transport.assertEmpty();
      const model = createModel(device, options);
      transport.plug(model);
      return model.outside;
    },
    unplug: () => transport.unplug(),
  };
}

function createModel(device: SlotDevice, { transport, timers, random }: BoardSlotOptions): VirtioModel {
  const { name } = transport;
  switch (device.kind) {
    case 'block':
      return new VirtioBlock({ name, store: device.store, serial: device.serial, timers });
    case 'net':
      return new VirtioNet({ name, mac: device.mac, timers });
    case 'console':
      return new VirtioConsole({ name, ports: device.ports, timers });
    case 'rng':
      return new VirtioEntropy({ name, random, timers });
  }
}
