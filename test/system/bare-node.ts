import { FIRMWARE_ENTRY, Firmware } from '../../src/firmware/index.ts';
import {
  type BlockStore,
  createMachine,
  type KnownCode,
  type Machine,
  type MachineOptions,
  MIB,
  type PluggedDevice,
  type Side,
  TIMING,
  type Translate,
} from '../../src/machine/index.ts';
import { ClientStack, EthernetSwitch, type HttpResult, httpGet } from '../../src/network/index.ts';
import { OverlayStore } from './overlay-store.ts';

export interface BareNodeOptions {
  readonly systemDisk: string | BlockStore;
  readonly bootSide?: Side;
  readonly bankMib?: number;
  readonly translate?: Translate | undefined;
  readonly knownCode?: KnownCode | undefined;
  readonly harts?: MachineOptions['harts'];
  readonly onConsole?: (bytes: Uint8Array) => void;
}

export const CLIENT_ADDRESS = '10.0.0.1/24';
export const AGENT_PORT = 'org.qemu.guest_agent.0';
const NS_PER_MS = 1_000_000;
const STEP_NS = 10 * NS_PER_MS;

/** A machine with firmware, a system disk and a client on its network: everything but the Microvisor. */
export class BareNode {
  readonly machine: Machine;
  readonly firmware: Firmware;
  readonly side: Side;
  readonly client: ClientStack;
  readonly agent: PluggedDevice;
  readonly ethernet: EthernetSwitch;
  /** All that the side's UART sent. */
  console = '';

  constructor(options: BareNodeOptions) {
    const { systemDisk, bootSide = 'A', bankMib = 256, harts = 1, translate, knownCode, onConsole } = options;
    this.side = bootSide;
    const bankBytes = bankMib * MIB;
    this.machine = createMachine({
      harts,
      bankBytes,
      clock: { kind: 'virtual' },
      random: countingBytes(),
      translate,
      knownCode,
    });
    this.firmware = new Firmware({ bankBytes, harts, rom: this.machine, bootSide });
    this.machine.attach(this.firmware);
    const text = new TextDecoder('latin1');
    this.machine.uart(bootSide).onOutput = (bytes) => {
      this.console += text.decode(bytes);
      onConsole?.(bytes);
    };
    this.machine.slot(bootSide, 0).plug({
      kind: 'block',
      store: typeof systemDisk === 'string' ? new OverlayStore(systemDisk) : systemDisk,
      serial: 'system',
    });
    const net = this.machine.slot(bootSide, 1).plug({ kind: 'net', mac: '52:54:00:00:00:0a' });
    this.agent = this.machine.slot(bootSide, 2).plug({ kind: 'console', ports: [AGENT_PORT] });
    this.machine.slot(bootSide, 3).plug({ kind: 'rng' });

    const clock = this.machine.scheduler;
    this.ethernet = new EthernetSwitch({ clock, latencyNs: TIMING.ethernetLatencyNs });
    this.client = new ClientStack({ clock, mac: '02:00:00:00:00:01', address: CLIENT_ADDRESS, seed: 1 });
    this.ethernet.attach(this.client);
    if (net.ethernet !== undefined) this.ethernet.attach(net.ethernet);
    this.machine.reset(FIRMWARE_ENTRY);
  }

  type(text: string): void {
    this.machine.uart(this.side).input(new TextEncoder().encode(text));
  }

  /** Runs until `done()` is true at some step of node time; false when the node went off or the time was over. */
  runUntil(done: () => boolean, limitMs: number): boolean {
    const limit = this.machine.now() + limitMs * NS_PER_MS;
    while (!done()) {
      const now = this.machine.now();
      if (now >= limit || this.machine.run(Math.min(limit, now + STEP_NS)) === 'off') return done();
    }
    return true;
  }

  runUntilConsole(text: string, limitMs: number): boolean {
    const from = this.console.length;
    return this.runUntil(() => this.console.indexOf(text, Math.max(0, from - text.length)) >= 0, limitMs);
  }

  /** One HTTP GET; asked again until the deadline as long as nobody answers. */
  get(address: string, path: string, limitMs: number): HttpResult | undefined {
    let last: HttpResult | undefined;
    const deadline = this.machine.now() + limitMs * NS_PER_MS;
    while (this.machine.now() < deadline) {
      let result: HttpResult | undefined;
      httpGet(this.client, { address, port: 80, path, deadlineNs: this.machine.now() + 1000 * NS_PER_MS }, (answer) => {
        result = answer;
      });
      this.runUntil(() => result !== undefined, 2000);
      last = result;
      if (result?.ok === true) return result;
      this.runUntil(() => false, 50);
    }
    return last;
  }
}

function countingBytes(): (bytes: number) => Uint8Array {
  let state = 1;
  return (bytes) =>
    Uint8Array.from({ length: bytes }, () => {
      state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
      return state >>> 24;
    });
}
