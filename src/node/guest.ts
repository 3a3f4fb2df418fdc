/** One OS instance as the node sees it: its side, its devices' far ends, and the agent inside it. */
import type { ConsolePort, PluggedDevice, Side } from '../machine/index.ts';
import type { GuestAgent } from './guest-agent.ts';

/** Which slot of its side holds what; the images are made for this order. */
export const SLOT = { system: 0, net: 1, console: 2, rng: 3, firstSpare: 4 } as const;

export const AGENT_PORT = 'org.qemu.guest_agent.0';

/** Addresses of the node's own network. The service address belongs to whichever OS serves. */
export const NETWORK = {
  client: '10.0.0.1/24',
  load: '10.0.0.2/24',
  service: '10.0.0.10',
  management: { A: '10.0.0.11', B: '10.0.0.12' },
  mac: {
    A: '52:54:00:00:00:0a',
    B: '52:54:00:00:00:0b',
    client: '52:54:00:00:00:01',
    load: '52:54:00:00:00:02',
    /** The spare cards count up from here. */
    spare: '52:54:00:00:01:00',
  },
} as const;

export interface GuestDevices {
  readonly system: PluggedDevice;
  readonly net: PluggedDevice;
  readonly console: PluggedDevice;
  readonly rng: PluggedDevice;
}

export interface Guest {
  readonly side: Side;
  readonly agent: GuestAgent;
  readonly agentPort: ConsolePort;
  readonly devices: GuestDevices;
  readonly systemDisk: string;
  /** Disks attached beyond the system disk: name to slot. */
  readonly extraDisks: Map<string, number>;
  /** With which command it took a disk into use that was moved to it. */
  readonly accepted: Map<string, readonly string[]>;
  /** It is woken from this one wherever another guest's OS would be loaded from its disk. */
  readonly standby: string | undefined;
  /** It has been woken, and has yet to take into use again what it was given since its standby was kept. */
  readonly isBehind: boolean;
}
