/**
 * A node: the machine, its firmware and Microvisor, its disks, its network with the client on it, and the guests as the
 * world outside sees them. The primitives (primitives/) are written against this class; it decides nothing itself.
 *
 * Invariant: the machine advances only inside `executive.drive`, so that what a primitive does between two waits takes
 * no node time.
 */
import type { FailureCode, GuestName, Json, ServiceSpec } from '../engine/port.ts';
import { FIRMWARE_ENTRY, Firmware } from '../firmware/index.ts';
import {
  createMachine,
  type KnownCode,
  type Machine,
  type MachineClock,
  type MemoryRegion,
  MIB,
  memoryMap,
  SIDES,
  type Side,
  SLOTS_PER_SIDE,
  type SnapshotValue,
  TIMING,
  type Translate,
} from '../machine/index.ts';
import {
  encodeRequest,
  FIRST_RELEASE,
  type GuestStatus,
  type Microvisor,
  type MicrovisorStatus,
  otherSide,
  type SideAccount,
  type SlotName,
} from '../microvisor/index.ts';
import { EthernetSwitch, parseMac } from '../network/index.ts';
import { Disks, RETIRED_SYSTEM_DISK, SYSTEM_DISK } from './disks.ts';
import { Executive } from './executive.ts';
import { AGENT_PORT, type Guest, NETWORK, SLOT } from './guest.ts';
import { type ExecOptions, type ExecResult, GuestAgent, GuestAgentError } from './guest-agent.ts';
import { Guests } from './guests.ts';
import { HangWatch } from './hang-watch.ts';
import { MicrovisorImages } from './microvisor-images.ts';
import { type ControlAnswer, MonitorClient } from './monitor-client.ts';
import { NetworkCards } from './network-cards.ts';
import { type NodeConfig, writeNodeConfig } from './node-config.ts';
import { NodeError } from './node-error.ts';
import { seededRandom } from './seeded-random.ts';
import { ServiceProbe } from './service-probe.ts';
import { Standbys, type StandbyWorth } from './standbys.ts';
import type { StateDirectory } from './state-directory.ts';

const POLL_NS = 10_000_000;
/** While a guest boots, how often the Microvisor is asked whether it still does. */
const AGENT_POLL_NS = 200_000_000;

const AGENT_FAILURE = {
  timeout: 'timeout',
  refused: 'refused',
  protocol: 'guest-not-running',
  gone: 'guest-not-running',
  hangs: 'guest-not-running',
} as const satisfies Record<GuestAgentError['code'], FailureCode>;

export interface EmulatedNodeOptions {
  readonly config: NodeConfig;
  readonly state: StateDirectory;
  readonly clock: MachineClock;
  readonly translate?: Translate | undefined;
  readonly knownCode?: KnownCode | undefined;
  /** Bytes of a side's UART as the guest sends them. */
  readonly onConsole: (side: Side, bytes: Uint8Array) => void;
}

export class EmulatedNode {
  readonly machine: Machine;
  readonly executive: Executive;
  readonly firmware: Firmware;
  readonly monitor: MonitorClient;
  readonly probe: ServiceProbe;
  readonly disks: Disks;
  readonly standbys: Standbys;
  readonly guests = new Guests();
  readonly ethernet: EthernetSwitch;
  /** What is under way with guests that are down until it is over. */
  readonly comingUp = new Map<GuestName, Promise<unknown>>();
  virtualized = false;
  readonly cards: NetworkCards;
  /** Sides whose network device the OS of the other side has let go for the guest that was made here. */
  readonly lent = new Set<Side>();
  /** How a client speaks to the service of the run. */
  service: Pick<ServiceSpec, 'protocol' | 'port'> = { protocol: 'http', port: 80 };
  /**
   * A guest hangs when its agent is silent for so long of the time in which no other guest has its hart: an agent answers
   * within a few milliseconds, and an OS that leaves it none does not serve either. Each run says how long.
   */
  hangNs = 2_000_000_000;
  /** Local TCP port that leads to the service, when there is one. */
  forwardedPort: number | undefined;
  readonly #state: StateDirectory;
  #config: NodeConfig;
  readonly #images: MicrovisorImages;
  #powered = false;
  readonly #hangWatch: HangWatch;
  /** Sides whose guest has been asked whether it hangs. */
  readonly #suspects = new Set<Side>();
  /** Told of the side of a guest that goes down. */
  readonly #fallen = new Set<(side: Side) => void>();

  constructor({ config, state, clock, translate, knownCode, onConsole }: EmulatedNodeOptions) {
    this.#config = config;
    this.#state = state;
    const bankBytes = config.bankMib * MIB;
    const { harts } = config;
    const random = seededRandom(config.seed);
    this.machine = createMachine({ harts, bankBytes, clock, random, translate, knownCode });
    this.executive = new Executive(this.machine);
    this.monitor = new MonitorClient(this.machine, this.executive);
    this.#hangWatch = new HangWatch({
      clock: this.machine.scheduler,
      account: (side) => this.#account(side),
      onSuspicion: (side) => void this.#askSuspect(side),
    });
    this.disks = new Disks(state.disks, config.disks);
    this.disks.onChange = () => this.#save({});
    this.standbys = new Standbys(state.standbys, this.disks, config.standbys ?? {});
    this.ethernet = new EthernetSwitch({ clock: this.machine.scheduler, latencyNs: TIMING.ethernetLatencyNs });
    this.cards = new NetworkCards(this.machine, this.ethernet);
    this.probe = new ServiceProbe({
      clock: this.machine.scheduler,
      ethernet: this.ethernet,
      seed: config.seed,
      powerOns: config.powerOns,
    });
    const { machine } = this;
    this.firmware = new Firmware({ bankBytes, harts, rom: machine, bootSide: config.bootSide });
    machine.attach(this.firmware);
    this.#images = new MicrovisorImages(machine, this.firmware, config.microvisor ?? FIRST_RELEASE.name);
    for (const side of SIDES) this.machine.uart(side).onOutput = (bytes) => onConsole(side, bytes);
  }

  // ------------------------------------------------------------------------------------------------------ power

  get bootSide(): Side {
    return this.#config.bootSide;
  }

  /** Boots the committed OS of a node that is off and waits for its agent; false when it was on already. */
  async powerOn(deadlineNs: number): Promise<boolean> {
    if (this.#powered) return false;
    this.#plugBootSide();
    this.machine.reset(FIRMWARE_ENTRY);
    await this.agentAnswers('old', deadlineNs);
    return true;
  }

  #plugBootSide(): void {
    this.#powered = true;
    const side = this.bootSide;
    const disk = this.#config.systemDisk[side];
    if (disk === undefined) throw new NodeError('no-such-disk', `side ${side} has no system disk to boot from`);
    const guest = this.plugGuest(side, disk);
    for (const name of this.#config.attachedDisks ?? []) this.plugDisk(guest, this.freeSlot(side), name, false);
    this.guests.set(guest);
    this.guests.beginNames(side);
  }

  /**
   * A bare node that nobody has asked for anything but its boot, to go on from in another process (`wake`). Its disks are
   * files of their own: close them before they are copied.
   */
  save(): SnapshotValue {
    if (this.virtualized) throw new Error('a virtualized node cannot be saved: the Microvisor is not in the snapshot');
    return this.machine.save();
  }

  /** In place of `powerOn`: the OS goes on where it was saved, with the disks it had then. */
  wake(saved: SnapshotValue): void {
    this.#plugBootSide();
    this.firmware.osRuns();
    this.machine.restore(saved);
  }

  /** By the act of this key. */
  commitTo(side: Side, key: string): void {
    const disk = this.guests.of(side).systemDisk;
    const committed = { key, atNs: this.machine.now() };
    const systemDisk = { ...this.#config.systemDisk, [side]: disk };
    this.standbys.commit(key);
    this.#save({ bootSide: side, committed, systemDisk, microvisor: this.microvisor.release.name });
    this.firmware.side = side;
  }

  /** The last commit, also one of an earlier boot. */
  get committed(): NodeConfig['committed'] {
    return this.#config.committed;
  }

  #save(change: Partial<NodeConfig>): void {
    const now = { disks: this.disks.config(), standbys: this.standbys.config() };
    const config = { ...this.#config, ...change, ...now };
    writeNodeConfig(this.#state.config, config);
    this.#config = config;
  }

  // ------------------------------------------------------------------------------------------------- Microvisor

  /** The image in charge, for its accounts only: what it is to do, and its state, go through `monitor`. */
  get microvisor(): Microvisor {
    return this.#images.inCharge;
  }

  #account(side: Side): SideAccount {
    return this.#images.inCharge.account(side, this.machine.now());
  }

  /** An image of another release takes over; a loss of power before the commit brings the old one back. @throws NodeError `refused` */
  async replaceMicrovisor(release: string): Promise<ControlAnswer> {
    const image = this.#images.load(release);
    this.microvisor.offer(image);
    const answer = await this.monitor.request({ op: 'replace' });
    this.#images.hasTakenOver(image);
    return answer;
  }

  // ----------------------------------------------------------------------------------------------------- guests

  /**
   * A new run finds what every run does: the system disk of the OS that runs is `system`. The one of the OS that an earlier
   * run retired is kept as `system-retired`.
   */
  nameSystemDisk(): void {
    const side = this.bootSide;
    const name = this.guests.of(side).systemDisk;
    if (name === SYSTEM_DISK) return;
    const names = new Map([
      [SYSTEM_DISK, RETIRED_SYSTEM_DISK],
      [name, SYSTEM_DISK],
    ]);
    this.disks.remove(RETIRED_SYSTEM_DISK);
    for (const [from, to] of names) if (this.disks.has(from)) this.disks.rename(from, to);
    this.guests.set({ ...this.guests.get('old'), systemDisk: SYSTEM_DISK });
    const systemDisk = Object.entries(this.#config.systemDisk).map(([of, disk]) => [of, names.get(disk) ?? disk]);
    this.#save({ systemDisk: Object.fromEntries(systemDisk) });
  }

  /** Plugs a side's devices in: system disk, network, agent console, entropy. */
  plugGuest(side: Side, disk: string): Guest {
    if (!this.disks.has(disk)) throw new NodeError('no-such-disk', `the node has no disk ${disk}`);
    const { machine } = this;
    const system = machine.slot(side, SLOT.system).plug({ kind: 'block', store: this.disks.open(disk), serial: disk });
    const net = this.cards.plugOwn(side);
    const console = machine.slot(side, SLOT.console).plug({ kind: 'console', ports: [AGENT_PORT] });
    const rng = machine.slot(side, SLOT.rng).plug({ kind: 'rng' });
    const port = console.ports?.get(AGENT_PORT);
    if (port === undefined) throw new Error(`a console has the ports it was made with, not ${AGENT_PORT}`);
    const agent = new GuestAgent(port, machine.scheduler, {
      onSettled: () => machine.pause(),
      heldNs: () => this.#account(side).heldNs,
      hangNs: () => this.hangNs,
    });
    port.onReset = () => {
      agent.drop('the guest went down');
      for (const wentDown of this.#fallen) wentDown(side);
      machine.pause();
    };
    return {
      side,
      agent,
      agentPort: port,
      devices: { system, net, console, rng },
      systemDisk: disk,
      extraDisks: new Map(),
      accepted: new Map(),
      standby: undefined,
      isBehind: false,
    };
  }

  unplugGuest(guest: Guest): void {
    for (let slot = 0; slot < SLOTS_PER_SIDE; slot++) {
      if (slot !== SLOT.net) this.machine.slot(guest.side, slot).unplug();
    }
    this.disks.close(guest.systemDisk);
    for (const name of guest.extraDisks.keys()) this.disks.close(name);
  }

  /** What the guest of a side is made with: its low memory, and its bank with the scratch beneath it. */
  memoryOf(side: Side): readonly MemoryRegion[] {
    const { lowStub, scratch, bank } = memoryMap(this.machine.options.bankBytes);
    const { base } = scratch[side];
    return [lowStub[side], { base, bytes: bank[side].base + bank[side].bytes - base }];
  }

  worthOfStandby(name: string): StandbyWorth {
    return this.standbys.worthOf(name, this.committed?.key ?? null);
  }

  /** Whether the guest of a side has the other side's bank as well. */
  ownsOtherBank(side: Side, { memory }: MicrovisorStatus): boolean {
    const { base } = memoryMap(this.machine.options.bankBytes).bank[otherSide(side)];
    return memory.some((region) => region.owner === side && region.base <= base && base < region.base + region.bytes);
  }

  slotNames(side: Side): readonly SlotName[] {
    return Array.from({ length: SLOTS_PER_SIDE }, (_, index) => ({ side, index }));
  }

  // ------------------------------------------------------------------------------------------------------ disks

  /** The system disk of a guest that is off holds what `from` holds; the guest goes on with it. */
  renewSystemDisk(side: Side, from: string): void {
    const guest = this.guests.of(side);
    const { systemDisk } = guest;
    this.disks.clone(from, systemDisk);
    const slot = this.machine.slot(side, SLOT.system);
    slot.unplug();
    const system = slot.plug({ kind: 'block', store: this.disks.open(systemDisk), serial: systemDisk });
    this.guests.set({ ...guest, devices: { ...guest.devices, system } });
  }

  /** @throws NodeError `refused` where a guest has the disk, or a standby */
  expectUnused(name: string): void {
    const user = this.#userOf(name);
    if (user !== undefined) throw new NodeError('refused', `disk ${name} is in use by ${user}`);
  }

  diskInUse(name: string): boolean {
    return this.#userOf(name) !== undefined;
  }

  #userOf(disk: string): string | undefined {
    const guest = this.guests.all().find(({ systemDisk, extraDisks }) => systemDisk === disk || extraDisks.has(disk));
    if (guest !== undefined) return `the guest of side ${guest.side}`;
    const standby = this.standbys.ofDisk(disk);
    return standby === undefined ? undefined : `standby ${standby}`;
  }

  freeSlot(side: Side): number {
    for (let slot = SLOT.firstSpare; slot < SLOTS_PER_SIDE; slot++) {
      if (this.machine.slot(side, slot).device === undefined) return slot;
    }
    throw new NodeError('refused', `every slot of side ${side} is taken`);
  }

  plugDisk(guest: Guest, slot: number, name: string, readOnly: boolean): void {
    const store = this.disks.open(name, { readOnly });
    this.machine.slot(guest.side, slot).plug({ kind: 'block', store, serial: name });
    guest.extraDisks.set(name, slot);
  }

  unplugDisk(guest: Guest, name: string): void {
    const slot = guest.extraDisks.get(name);
    if (slot === undefined) return;
    this.machine.slot(guest.side, slot).unplug();
    guest.extraDisks.delete(name);
    guest.accepted.delete(name);
    this.disks.close(name);
  }

  requestsInFlight(): number {
    let requests = 0;
    for (const side of SIDES) {
      for (let slot = 0; slot < SLOTS_PER_SIDE; slot++)
        requests += this.machine.slot(side, slot).device?.inFlight() ?? 0;
    }
    return requests;
  }

  // ------------------------------------------------------------------------------------- what the Microvisor says

  async guestStatus(side: Side): Promise<GuestStatus> {
    const { status } = await this.monitor.request({ op: 'status' });
    const guest = status.guests[side];
    if (guest === undefined) throw new NodeError('no-such-guest', `the Microvisor knows no guest of side ${side}`);
    return guest;
  }

  async guestState(side: Side): Promise<GuestStatus['state']> {
    return (await this.guestStatus(side)).state;
  }

  async guestBoots(side: Side): Promise<number> {
    return (await this.guestStatus(side)).boots;
  }

  /** Whether an OS runs there; on a bare node the one OS does. */
  async guestRuns(side: Side): Promise<boolean> {
    return this.virtualized ? (await this.guestState(side)) === 'running' : side === this.bootSide;
  }

  /** Whether there is an OS whose agent has come up: false of one that is off, crashed or still boots. */
  isUp(name: GuestName): boolean {
    return this.guests.find(name)?.agentPort.wasOpened === true;
  }

  /**
   * What `work` gives, unless the guest of the side goes down over it: that is known at once, however long the work would
   * wait. To be driven as a whole, so that nothing goes on when it is over. @throws NodeError `guest-not-running`
   */
  async unlessDown<T>(side: Side, work: Promise<T>): Promise<T> {
    let fall: (side: Side) => void = () => {};
    const down = new Promise<never>((_resolve, reject) => {
      fall = (fallen) => {
        if (fallen === side) reject(new NodeError('guest-not-running', `the guest of side ${side} went down`));
      };
    });
    this.#fallen.add(fall);
    try {
      return await Promise.race([work, down]);
    } finally {
      this.#fallen.delete(fall);
    }
  }

  /**
   * Whether a guest is up and its agent answers. One that hangs is powered off: what it holds cannot be ended in good order,
   * and nobody may come back to it. On a bare node, which would be off then, nobody is asked.
   */
  async responds(name: GuestName): Promise<boolean> {
    if (!this.isUp(name) || !this.virtualized) return this.isUp(name);
    const deadlineNs = this.machine.now() + this.hangNs;
    if (await this.withAgent(name, async (agent) => !agent.hangs && (await agent.answers({ deadlineNs })))) return true;
    if (this.isUp(name)) await this.monitor.request({ op: 'stopVm', side: this.guests.get(name).side });
    return false;
  }

  /** Does the work, and powers off a guest that hangs in a loop and so keeps the hart from the other one meanwhile. */
  watching<T>(work: () => Promise<T>): Promise<T> {
    return this.#hangWatch.during(work);
  }

  /** Asks the guest of the side, and powers it off where no answer comes. Nobody waits for it: the machine need not run on. */
  async #askSuspect(side: Side): Promise<void> {
    const name = this.guests.findName(side);
    if (name === undefined || this.#suspects.has(side) || !this.isUp(name)) return;
    this.#suspects.add(side);
    const { agent } = this.guests.get(name);
    const deadlineNs = this.machine.now() + this.hangNs;
    // A refusal is an answer.
    const answers = await agent.answers({ deadlineNs }).catch(() => true);
    this.#suspects.delete(side);
    if (answers || this.guests.find(name)?.agent !== agent || !this.isUp(name)) return;
    this.#powerOff(side);
  }

  /** Asks the Microvisor for it; nobody waits for the answer. */
  #powerOff(side: Side): void {
    this.machine.postMailbox(encodeRequest({ op: 'stopVm', side }), () => {});
  }

  /**
   * Does the work, with which the other guest takes over from this one. Should this one crash meanwhile it is kept down: its
   * OS would boot first on the hart, and the other one could not go on until it had.
   */
  async keepingDown<T>(name: GuestName, work: () => Promise<T>): Promise<T> {
    const side = this.guests.find(name)?.side;
    const fall = (fallen: Side): void => {
      if (fallen !== side || !this.virtualized) return;
      this.#fallen.delete(fall);
      this.machine.scheduler.at(this.machine.now(), () => this.#powerOff(side));
    };
    this.#fallen.add(fall);
    try {
      return await work();
    } finally {
      this.#fallen.delete(fall);
    }
  }

  /** Takes the power from a guest that is not up, so that it cannot come back to what is now another's. */
  async keepDown(name: GuestName): Promise<void> {
    if (!this.virtualized || this.guests.find(name) === undefined || this.isUp(name)) return;
    await this.monitor.request({ op: 'stopVm', side: this.guests.get(name).side });
  }

  /** Null: nobody's, since the guest that had it is gone. */
  async slotOwner(slot: SlotName): Promise<Side | null> {
    if (!this.virtualized) return this.bootSide;
    const { status } = await this.monitor.request({ op: 'status' });
    return status.slots[slot.side][slot.index] ?? null;
  }

  /** Asks the Microvisor until `holds`. @throws NodeError `timeout` */
  async waitUntilGuest(
    side: Side,
    what: string,
    deadlineNs: number,
    holds: (guest: GuestStatus) => boolean,
  ): Promise<void> {
    for (;;) {
      const guest = await this.guestStatus(side);
      if (holds(guest)) return;
      if (this.machine.now() >= deadlineNs) {
        throw new NodeError('timeout', `waited until the guest of side ${side} ${what}; it is ${guest.state}`);
      }
      await this.executive.drive(this.executive.sleep(POLL_NS));
    }
  }

  // ------------------------------------------------------------------------------------------------------ agents

  /** Uses a guest's agent; the machine runs until `use` is done. @throws NodeError for what the agent reports */
  async withAgent<T>(name: GuestName, use: (agent: GuestAgent) => Promise<T>): Promise<T> {
    const { agent } = this.guests.get(name);
    try {
      return await this.executive.drive(use(agent));
    } catch (error) {
      if (!(error instanceof GuestAgentError)) throw error;
      throw new NodeError(AGENT_FAILURE[error.code], `guest '${name}': ${error.message}`);
    }
  }

  /** @throws NodeError `guest-not-running`, `timeout` and what else the agent reports */
  run(name: GuestName, argv: readonly string[], options: ExecOptions): Promise<ExecResult> {
    return this.withAgent(name, (agent) => agent.exec(argv, { env: {}, ...options }));
  }

  /** Waits until the guest's agent answers. @throws NodeError `timeout` */
  async agentAnswers(name: GuestName, deadlineNs: number): Promise<void> {
    const answers = await this.withAgent(name, (agent) => agent.answers({ deadlineNs }));
    if (!answers) throw new NodeError('timeout', `the agent of guest '${name}' did not answer in time`);
  }

  /**
   * Waits for the agent of a guest that comes up, whose OS has been loaded `boots` times then; fails at once when it reboots or
   * goes off by itself meanwhile.
   */
  async cameUp(name: GuestName, boots: number, deadlineNs: number): Promise<void> {
    const { side } = this.guests.get(name);
    for (;;) {
      const attemptNs = Math.min(deadlineNs, this.machine.now() + AGENT_POLL_NS);
      if (await this.withAgent(name, (agent) => agent.answers({ deadlineNs: attemptNs }))) return;
      const { state, boots: found, bootError } = await this.guestStatus(side);
      if (state === 'off' || found > boots) {
        const what = state === 'off' ? `is off (${bootError?.message ?? 'it powered off'})` : 'rebooted by itself';
        throw new NodeError('guest-not-running', `guest '${name}' ${what} before its agent answered`);
      }
      if (this.machine.now() >= deadlineNs) {
        throw new NodeError('timeout', `guest '${name}' is ${state}, but its agent did not answer in time`);
      }
    }
  }

  /** Reboots the OS of a bare node, which resets the whole node. */
  async rebootBare(name: GuestName, deadlineNs: number): Promise<void> {
    const before = this.firmware.boots;
    await this.askToShutDown(name, 'reboot', deadlineNs);
    while (this.firmware.boots === before) {
      if (this.machine.now() >= deadlineNs) throw new NodeError('timeout', `guest '${name}' did not reboot in time`);
      await this.executive.drive(this.executive.sleep(POLL_NS));
    }
    await this.agentAnswers(name, deadlineNs);
  }

  /** The agent is another one afterwards, or none. */
  async askToShutDown(name: GuestName, mode: 'powerdown' | 'reboot', deadlineNs: number): Promise<void> {
    try {
      await this.withAgent(name, (agent) => agent.shutdown(mode, { deadlineNs }));
    } catch (error) {
      // `shutdown` ends with an error where there is no logind, and does it all the same; or the guest is down before it has
      // answered. The caller looks at the effect.
      if (!(error instanceof NodeError && (error.code === 'refused' || error.code === 'guest-not-running')))
        throw error;
    }
    this.guests.get(name).agent.drop(`the guest was asked to ${mode}`);
  }

  /** The side to which the client sends what it has for the service. */
  serves(): Side | undefined {
    const mac = this.probe.stack.neighborOf(NETWORK.service);
    return SIDES.find((side) => mac !== undefined && parseMac(NETWORK.mac[side]) === mac);
  }

  facts(): { readonly [name: string]: Json } {
    return {
      power: this.#powered ? 'on' : 'off',
      virtualized: this.virtualized,
      bootSide: this.bootSide,
      bankMib: this.#config.bankMib,
      harts: this.#config.harts,
      seed: this.#config.seed,
      microvisor: this.microvisor.release.name,
      disks: this.disks.names(),
      standbys: this.standbys.names().filter((name) => this.worthOfStandby(name) === 'good'),
      forwardedPort: this.forwardedPort ?? null,
    };
  }
}
