/** One of the two harts that must agree: with its own memory, a device that notes every access, and how it obeys a turn. */
import type { AccessBytes, Translate } from '../../../src/machine/door.ts';
import { createHart } from '../../../src/machine/hart/hart.ts';
import type { Hart, HartBus, HartLine, HartStop } from '../../../src/machine/hart-contract.ts';
import { createPhysicalMemory, type GuestMemory } from '../../../src/machine/memory.ts';
import type { KnownCode } from '../../../src/machine/translator/known-code.ts';
import { csrNumber } from '../differential/csr-number.ts';
import { randomSource } from '../differential/random-source.ts';
import { DEVICE_PAGE, type Mapping, PAGE_BYTES, RAM, satpOf, virtualAddress } from './guest-layout.ts';
import { POOL, POOL_POINTERS, type PoolRegion, sectionOffset } from './pool.ts';
import { POINTERS, POOL_REGISTER } from './random-block.ts';
import { type Entry, type Instruction, MSTATUS, type Scenario, type Turn } from './scenario.ts';

/** Where traps to M-mode end the run. */
const HANDLER = 0x1000_0000;
const MPP_SHIFT = 11;
const LINES: readonly HartLine[] = ['MSIP', 'MTIP', 'MEIP', 'SEIP'];
/** Instructions to a tick of `time`. */
const TICK_SHIFT = 4;
/** Further away than any scenario reaches. */
const TICKS_MAX = 2n ** 40n;
const INTERRUPT = 1n << 63n;
/** What opens all of memory to S and U: one NAPOT entry. */
const PMP_ALL = { cfg: 0x1fn, addr: (1n << 53n) - 1n } as const;

/** Registers of the device: everything else only answers. */
const DEVICE = { wire: 0x10, yield: 0x20 } as const;

export class HartUnderTest {
  readonly hart: Hart;
  readonly memory: GuestMemory;
  /** Mixes what the device saw: address, width, value and the count of retired instructions at that moment. */
  deviceDigest = 0n;
  #mapping: Mapping | undefined;

  constructor(translate: Translate, knownCode?: KnownCode) {
    this.memory = createPhysicalMemory(RAM.base, RAM.bytes);
    const hart: { now?: Hart } = {};
    const note = (...values: readonly bigint[]): bigint => {
      for (const value of [...values, BigInt(hart.now?.retired ?? 0)]) {
        this.deviceDigest = BigInt.asUintN(64, (this.deviceDigest ^ value) * 0x9e37_79b9_7f4a_7c15n + 1n);
      }
      return this.deviceDigest;
    };
    const answers = (address: number): boolean => Math.floor(address / PAGE_BYTES) === DEVICE_PAGE / PAGE_BYTES;
    const bus: HartBus = {
      read: (address, bytes: AccessBytes) =>
        answers(address) ? BigInt.asUintN(8 * bytes, note(BigInt(address), BigInt(bytes))) : undefined,
      write: (address, bytes, value) => {
        if (!answers(address)) return false;
        note(BigInt(address), BigInt(bytes), value);
        if (address % PAGE_BYTES === DEVICE.wire) {
          hart.now?.setLine('SEIP', (value & 1n) === 1n);
          hart.now?.requestYield();
        }
        if (address % PAGE_BYTES === DEVICE.yield) hart.now?.requestYield();
        return true;
      },
    };
    this.hart = createHart({
      hartId: 0,
      memory: this.memory,
      bus,
      time: () => BigInt(Math.floor((hart.now?.retired ?? 0) / 2 ** TICK_SHIFT)),
      machineModeEntries: new Set([HANDLER]),
      translate,
      knownCode,
    });
    hart.now = this.hart;
  }

  /** RAM and registers as the scenario begins. */
  begin({ image, code, mapping }: Pick<Scenario, 'image' | 'code' | 'mapping'>): void {
    this.#mapping = mapping;
    const ram = image.slice();
    for (const instruction of code) putInstruction(new DataView(ram.buffer), instruction);
    this.memory.write(RAM.base, ram);
    for (const line of LINES) this.hart.setLine(line, false);
    this.hart.reset(HANDLER);
    this.deviceDigest = 0n;
    const { state } = this.hart;
    state.setCsr(csrNumber('pmpaddr15'), PMP_ALL.addr);
    state.setCsr(csrNumber('pmpcfg2'), PMP_ALL.cfg << 56n);
    state.setCsr(csrNumber('mtvec'), BigInt(HANDLER));
    state.setCsr(csrNumber('mcounteren'), 7n);
    state.setCsr(csrNumber('scounteren'), 7n);
    state.fenceVma();
  }

  take(turn: Turn): HartStop {
    if (turn.line !== undefined) this.hart.setLine(turn.line.name, turn.line.level);
    if (turn.poke !== undefined) this.memory.write(RAM.base + turn.poke.offset, bytesOfWord(turn.poke.word));
    if (turn.fence) this.hart.state.fenceVma();
    if (turn.entry !== undefined) this.#enter(turn.entry);
    else if (this.hart.privilege === 3 && this.hart.pc === BigInt(HANDLER)) this.#resume();
    return this.#run(turn.budget);
  }

  /** As the machine does it: no further than stimecmp without looking again. */
  #run(budget: number): HartStop {
    for (let left = budget; ; ) {
      const before = this.hart.retired;
      const stop = this.hart.run(Math.min(left, this.#instructionsToTimer()));
      left -= this.hart.retired - before;
      if (stop !== 'budget' || left <= 0) return stop;
    }
  }

  #instructionsToTimer(): number {
    const { stimecmp, retired } = this.hart;
    const instructions = stimecmp > TICKS_MAX ? 0 : Number(stimecmp) * 2 ** TICK_SHIFT - retired;
    return instructions > 0 ? instructions : Number.POSITIVE_INFINITY;
  }

  #enter(entry: Entry): void {
    const { state } = this.hart;
    const mapping = this.#mapping!;
    const set = (name: string, value: bigint | number): void => state.setCsr(csrNumber(name), BigInt(value));
    const isTranslated = entry.region !== 'bare';
    set('satp', isTranslated || (entry.status & MSTATUS.mprv) !== 0 ? satpOf(entry.space) : 0n);
    set('mstatus', entry.status | (entry.privilege << MPP_SHIFT));
    set('fcsr', entry.fcsr);
    set('medeleg', entry.medeleg);
    set('mideleg', entry.mideleg);
    set('mie', entry.mie);
    set('menvcfg', entry.timer ? 1n << 63n : 0n);
    if (entry.timer) set('stimecmp', this.#soon());
    const seenFrom = entry.region === 'identity' || entry.region === 'mixed' ? 'supervisor' : entry.region;
    set('stvec', virtualAddress(mapping, seenFrom, entry.space, entry.stvecOffset));
    set('mepc', virtualAddress(mapping, entry.region, entry.space, entry.blockOffset));
    this.#setRegisters(entry);
    this.hart.mret();
  }

  #soon(): bigint {
    return BigInt(Math.floor(this.hart.retired / 2 ** TICK_SHIFT)) + 4n;
  }

  #setRegisters({ registerSeed, privilege, region, status }: Entry): void {
    const { state } = this.hart;
    const poolRegion: PoolRegion =
      region === 'bare' ? ((status & MSTATUS.mprv) !== 0 ? 'user' : 'bare') : privilege === 1 ? 'supervisor' : 'user';
    const section = sectionOffset(poolRegion);
    state.setX(POOL_REGISTER, virtualAddress(this.#mapping!, poolRegion, 0, section));
    if (registerSeed === 0) return;
    const random = randomSource(registerSeed);
    for (let register = 1; register < POOL_REGISTER; register++) state.setX(register, random.integerPattern());
    for (let register = 0; register < 32; register++) state.setF(register, random.floatPattern());
    const pool = this.memory.view(RAM.base + section, POOL.sectionBytes);
    const view = new DataView(pool.buffer, pool.byteOffset, pool.length);
    for (const register of POINTERS) state.setX(register, view.getBigUint64(8 * random.pick(POOL_POINTERS), true));
  }

  /** After a trap: goes on behind what trapped; after an interrupt with all wires low. */
  #resume(): void {
    const { state } = this.hart;
    const mepc = state.csr(csrNumber('mepc'));
    if ((state.csr(csrNumber('mcause')) & INTERRUPT) === 0n) state.setCsr(csrNumber('mepc'), mepc + 4n);
    else {
      for (const line of LINES) this.hart.setLine(line, false);
      state.setCsr(csrNumber('mip'), 0n);
      state.setCsr(csrNumber('mie'), 0n);
    }
    this.hart.mret();
  }
}

export function putInstruction(view: DataView, { offset, word }: Instruction): void {
  view.setUint16(offset, word & 0xffff, true);
  if ((word & 3) === 3) view.setUint16(offset + 2, word >>> 16, true);
}

function bytesOfWord(word: number): Uint8Array {
  const bytes = new Uint8Array((word & 3) === 3 ? 4 : 2);
  putInstruction(new DataView(bytes.buffer), { offset: 0, word });
  return bytes;
}
