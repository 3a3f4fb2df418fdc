/** The guests of a node by side, and what the run that is under way calls them. */
import type { GuestName } from '../engine/port.ts';
import { SIDES, type Side } from '../machine/index.ts';
import type { Guest } from './guest.ts';
import { NodeError } from './node-error.ts';

export class Guests {
  readonly #bySide = new Map<Side, Guest>();
  #names = new Map<GuestName, Side>();
  /** The side each name of this run stood for, whether or not its guest still lives: its devices keep its name. */
  #made = new Map<GuestName, Side>();

  /**
   * A new run: the OS of the boot side is `old`, and nothing else has a name. What its disk holds by now is no standby's: it
   * boots from there.
   */
  beginNames(bootSide: Side): void {
    for (const guest of this.all()) this.set({ ...guest, standby: undefined, isBehind: false });
    this.#names = new Map([['old', bootSide]]);
    this.#made = new Map(this.#names);
  }

  /** In place of one the side had, which keeps its name. */
  set(guest: Guest): void {
    this.#bySide.set(guest.side, guest);
  }

  add(name: GuestName, guest: Guest): void {
    this.set(guest);
    this.#names.set(name, guest.side);
    this.#made.set(name, guest.side);
  }

  forget(name: GuestName): void {
    const side = this.#names.get(name);
    this.#names.delete(name);
    if (side !== undefined) this.#bySide.delete(side);
  }

  find(name: GuestName): Guest | undefined {
    const side = this.#names.get(name);
    return side === undefined ? undefined : this.#bySide.get(side);
  }

  /** @throws NodeError `no-such-guest` */
  get(name: GuestName): Guest {
    const guest = this.find(name);
    if (guest === undefined) throw new NodeError('no-such-guest', `the node has no guest '${name}'`);
    return guest;
  }

  /** @throws NodeError `no-such-guest` */
  of(side: Side): Guest {
    const guest = this.#bySide.get(side);
    if (guest === undefined) throw new NodeError('no-such-guest', `side ${side} has no guest`);
    return guest;
  }

  all(): readonly Guest[] {
    return [...this.#bySide.values()];
  }

  findName(side: Side): GuestName | undefined {
    for (const [name, named] of this.#names) if (named === side) return name;
    return undefined;
  }

  /** @throws NodeError `no-such-guest` */
  nameOf(side: Side): GuestName {
    const name = this.findName(side);
    if (name === undefined) throw new NodeError('no-such-guest', `side ${side} has no guest`);
    return name;
  }

  /** The side a guest was made on. @throws NodeError `no-such-guest` */
  sideOf(name: GuestName): Side {
    const side = this.#made.get(name);
    if (side === undefined) throw new NodeError('no-such-guest', `the node has had no guest '${name}'`);
    return side;
  }

  /** What the guest a side has, or had, is called in this run. */
  nameMade(side: Side): GuestName | undefined {
    for (const [name, made] of this.#made) if (made === side) return name;
    return undefined;
  }

  /** @throws NodeError `refused` */
  freeSide(): Side {
    const free = SIDES.find((side) => !this.#bySide.has(side));
    if (free === undefined) throw new NodeError('refused', 'both sides of the node have a guest');
    return free;
  }
}
