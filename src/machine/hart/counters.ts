/** mcycle and minstret: both count retired instructions. Source: [Priv] "Hardware Performance Monitor". */
export type Counter = 'cycle' | 'instret';

/** Bits of mcountinhibit. */
const INHIBIT: Readonly<Record<Counter, bigint>> = { cycle: 1n, instret: 4n };

export interface CounterHooks {
  /** Instructions retired before the executing one. */
  readonly retired: number;
  /** 1 while a CSR instruction executes (it will retire), else 0. */
  executing(): number;
}

export class Counters {
  readonly #hooks: CounterHooks;
  /** counter = retired + offset while it runs, offset alone while it is inhibited. */
  readonly #offset: Record<Counter, bigint> = { cycle: 0n, instret: 0n };
  #inhibited = 0n;

  constructor(hooks: CounterHooks) {
    this.#hooks = hooks;
  }

  get inhibited(): bigint {
    return this.#inhibited;
  }

  set inhibited(value: bigint) {
    const cycle = this.read('cycle');
    const instret = this.read('instret');
    this.#inhibited = value & (INHIBIT.cycle | INHIBIT.instret);
    this.write('cycle', cycle);
    this.write('instret', instret);
  }

  read(which: Counter): bigint {
    const counted = this.#isCounting(which) ? BigInt(this.#hooks.retired) : 0n;
    return BigInt.asUintN(64, this.#offset[which] + counted);
  }

  /** "any CSR write takes effect after the writing instruction has otherwise completed": it does not count itself. */
  write(which: Counter, value: bigint): void {
    const counted = this.#isCounting(which) ? BigInt(this.#hooks.retired + this.#hooks.executing()) : 0n;
    this.#offset[which] = value - counted;
  }

  #isCounting(which: Counter): boolean {
    return (this.#inhibited & INHIBIT[which]) === 0n;
  }

  save() {
    return { inhibited: this.#inhibited, cycle: this.#offset.cycle, instret: this.#offset.instret };
  }

  restore(state: ReturnType<Counters['save']>): void {
    this.#inhibited = state.inhibited;
    this.#offset.cycle = state.cycle;
    this.#offset.instret = state.instret;
  }

  reset(): void {
    this.restore({ inhibited: 0n, cycle: 0n, instret: 0n });
  }
}
