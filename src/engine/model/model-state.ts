/**
 * What a node is, as far as maintenance can change it: plain data without time. The model node and the checker share
 * it, so that there is one account of what a primitive does (model-effects.ts).
 */
import { GUEST_NAMES, type GuestName } from '../primitives.ts';

export interface ModelGuest {
  runs: boolean;
  serviceRuns: boolean;
  /** Version the kernel and packages will have after the next boot, and now. */
  installed: number;
  /** 0: it never was up. */
  booted: number;
  /** Its system disk. */
  disk: string;
  /** The version it has when it is woken; null: it boots. */
  standby: number | null;
}

/** A guest that is kept asleep. */
export interface ModelStandby {
  /** Of what is installed in it. */
  readonly version: number;
  /** A commit makes worthless what an earlier run kept. */
  age: 'of this run' | 'of an earlier run' | 'worthless';
  /** By the run that kept it: else nobody has said that it is right. */
  isCommitted: boolean;
}

/** What the node kept before the model began is not known: any name is taken to be one of a standby. */
const ANY_STANDBY = '*';

/** A side's main memory, named after the guest whose side it is. */
export interface ModelBank {
  owner: GuestName | null;
  /** The owner's OS uses it. */
  isOnline: boolean;
}

/** A hart of the node. */
export interface ModelHart {
  owner: GuestName | null;
  /** The owner's OS uses it. */
  isOnline: boolean;
}

/** Disk of the OS that owns the node when a run begins. */
const SYSTEM_DISK = 'system';

/** What the node is made of. */
export interface ModelHardware {
  /** Besides the system disk. `attached`: the OS that boots has it, whichever that is. */
  readonly disks: readonly { readonly name: string; readonly attached: boolean }[];
  /** How many; null: one. */
  readonly harts: number | null;
}

export class ModelState {
  isOn = true;
  isVirtualized = false;
  /** In charge, and what the node has after a loss of power. */
  microvisorRelease = '1.0';
  committedRelease = '1.0';
  /** The OS that boots after a loss of power. */
  committed: GuestName = 'old';
  readonly guests = new Map<GuestName, ModelGuest>();
  /** Guests that have the service address, the last one to take it last. */
  readonly holders = new Set<GuestName>();
  readonly banks: Record<GuestName, ModelBank> = {
    old: { owner: 'old', isOnline: true },
    new: { owner: 'old', isOnline: true },
  };
  /** With one hart, or when it was given none, a second guest shares the first. */
  readonly harts: ModelHart[];
  /** Disks besides the system disk that the node came with. */
  readonly disks: Set<string>;
  /** By name. */
  readonly standbys = new Map<string, ModelStandby>([
    [ANY_STANDBY, { version: 1, age: 'of an earlier run', isCommitted: true }],
  ]);
  /** `<guest>:<disk>` */
  readonly attached = new Set<string>();
  /** Devices that changed hands: null = nobody's. */
  readonly devices = new Map<string, GuestName | null>();

  /** Disks that whichever OS boots has. */
  readonly #data: readonly string[];

  constructor({ disks, harts }: ModelHardware) {
    this.disks = new Set(disks.map(({ name }) => name));
    this.#data = disks.filter(({ attached }) => attached).map(({ name }) => name);
    this.harts = Array.from({ length: harts ?? 1 }, () => ({ owner: 'old', isOnline: true }));
    this.#bare(1);
  }

  /** Who answers at the service address, if there is anybody. */
  get serving(): GuestName | undefined {
    return [...this.holders].at(-1);
  }

  /** A client that asks at the service address gets an answer. */
  get answers(): boolean {
    const guest = this.serving === undefined ? undefined : this.guests.get(this.serving);
    return this.isOn && guest?.runs === true && guest.serviceRuns;
  }

  get bankIsFree(): boolean {
    return GUEST_NAMES.some((side) => this.banks[side].owner === null);
  }

  /** A bank that nobody owns, or that its owner does not use. */
  get hasIdleMemory(): boolean {
    return GUEST_NAMES.some((side) => this.banks[side].owner === null || !this.banks[side].isOnline);
  }

  /** Numbers of the harts that no OS uses. */
  get idleHarts(): readonly number[] {
    return this.harts.flatMap(({ owner, isOnline }, number) => (owner === null || !isOnline ? [number] : []));
  }

  findStandby(name: string): ModelStandby | undefined {
    return this.standbys.get(name) ?? this.standbys.get(ANY_STANDBY);
  }

  /** Of a run that went on since the last one began. */
  get hasOtherStandbys(): boolean {
    return [...this.standbys.values()].some(({ age }) => age !== 'of an earlier run');
  }

  /** A run begins: what it finds is an earlier one's, and what is worthless goes, or was kept by one that did not commit. */
  beginStandbys(): void {
    for (const [name, standby] of this.standbys) {
      if (standby.age === 'worthless' || !standby.isCommitted) this.standbys.delete(name);
      else standby.age = 'of an earlier run';
    }
  }

  commit(guest: GuestName): void {
    this.committed = guest;
    this.committedRelease = this.microvisorRelease;
    for (const standby of this.standbys.values()) {
      if (standby.age === 'of an earlier run') standby.age = 'worthless';
      else standby.isCommitted = true;
    }
  }

  goDown(name: GuestName): void {
    const guest = this.guests.get(name);
    if (guest) Object.assign(guest, { runs: false, serviceRuns: false });
  }

  ownerOf(device: string): GuestName | null {
    const moved = this.devices.get(device);
    if (moved !== undefined) return moved;
    const maker = device.startsWith('new.') ? 'new' : 'old';
    return this.guests.has(maker) ? maker : null;
  }

  isInUse(disk: string): boolean {
    for (const [name, guest] of this.guests)
      if (guest.disk === disk || this.attached.has(`${name}:${disk}`)) return true;
    return false;
  }

  /** A guest goes, and with it what was its own. */
  remove(name: GuestName): void {
    if (!this.guests.delete(name)) return;
    this.holders.delete(name);
    for (const side of GUEST_NAMES)
      if (this.banks[side].owner === name) this.banks[side] = { owner: null, isOnline: false };
    for (const hart of this.harts) if (hart.owner === name) this.#giveUp(hart);
    const [heir] = this.guests.keys();
    const [first] = this.harts;
    if (heir && first && !this.harts.some(({ owner }) => owner === heir))
      Object.assign(first, { owner: heir, isOnline: true });
    for (const entry of this.attached) if (entry.startsWith(`${name}:`)) this.attached.delete(entry);
    for (const [device, owner] of this.devices) if (owner === name) this.devices.set(device, null);
  }

  /** Everything volatile is gone; the committed OS is what boots next. */
  losePower(): void {
    this.isOn = false;
    this.isVirtualized = false;
    this.microvisorRelease = this.committedRelease;
    this.attached.clear();
    this.devices.clear();
    this.holders.clear();
    const { installed = 1, disk = SYSTEM_DISK } = this.guests.get(this.committed) ?? {};
    this.guests.clear();
    this.guests.set(this.committed, { runs: false, serviceRuns: false, installed, booted: 0, disk, standby: null });
    for (const side of GUEST_NAMES) this.banks[side] = { owner: null, isOnline: false };
    for (const hart of this.harts) this.#giveUp(hart);
  }

  #giveUp(hart: ModelHart): void {
    hart.owner = null;
    hart.isOnline = false;
  }

  /** The committed OS on the bare node; the run calls it `old` from now on. */
  powerOn(): void {
    const committed = this.guests.get(this.committed);
    this.isOn = true;
    this.committed = 'old';
    this.guests.clear();
    this.#bare(committed?.installed ?? 1, committed?.disk);
  }

  #bare(version: number, disk = SYSTEM_DISK): void {
    const is = { installed: version, booted: version, disk, standby: null };
    this.guests.set('old', { runs: true, serviceRuns: true, ...is });
    this.holders.add('old');
    for (const disk of this.#data) this.attached.add(`old:${disk}`);
    for (const side of GUEST_NAMES) this.banks[side] = { owner: 'old', isOnline: true };
    for (const hart of this.harts) Object.assign(hart, { owner: 'old', isOnline: true });
  }

  copy(): ModelState {
    const disks = this.#data.map((name) => ({ name, attached: true }));
    const copy = new ModelState({ disks, harts: this.harts.length });
    copy.disks.clear();
    for (const disk of this.disks) copy.disks.add(disk);
    copy.isOn = this.isOn;
    copy.isVirtualized = this.isVirtualized;
    copy.microvisorRelease = this.microvisorRelease;
    copy.committedRelease = this.committedRelease;
    copy.committed = this.committed;
    copy.guests.clear();
    for (const [name, guest] of this.guests) copy.guests.set(name, { ...guest });
    copy.holders.clear();
    for (const holder of this.holders) copy.holders.add(holder);
    for (const side of GUEST_NAMES) copy.banks[side] = { ...this.banks[side] };
    for (const [number, hart] of this.harts.entries()) copy.harts[number] = { ...hart };
    copy.standbys.clear();
    for (const [name, standby] of this.standbys) copy.standbys.set(name, { ...standby });
    copy.attached.clear();
    for (const entry of this.attached) copy.attached.add(entry);
    for (const [device, owner] of this.devices) copy.devices.set(device, owner);
    return copy;
  }

  /** Equal texts for equal states. */
  key(): string {
    const { old, new: other } = this.banks;
    const guests = GUEST_NAMES.map((name) => {
      const guest = this.guests.get(name);
      if (!guest) return '-';
      const { runs, serviceRuns, installed, booted, disk, standby } = guest;
      return `${+runs}${+serviceRuns}${installed}.${booted}${disk}${standby ?? ''}`;
    });
    return [
      +this.isOn,
      +this.isVirtualized,
      this.microvisorRelease,
      this.committedRelease,
      this.committed,
      ...guests,
      [...this.holders],
      old.owner,
      +old.isOnline,
      other.owner,
      +other.isOnline,
      this.harts.map(({ owner, isOnline }) => `${owner}${+isOnline}`),
      [...this.disks].sort(),
      [...this.standbys]
        .map(([name, { version, age, isCommitted }]) => `${name}${version}${age}${+isCommitted}`)
        .sort(),
      [...this.attached].sort(),
      [...this.devices].map(String).sort(),
    ].join('|');
  }
}
