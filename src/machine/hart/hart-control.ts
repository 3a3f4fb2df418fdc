/**
 * The control plane of a hart: CSRs, privilege, traps, interrupts. Per-trap and per-CSR work, in plain TypeScript;
 * what the interpreter reads in its loop is kept up to date in the hart's area.
 */

import { IllegalCsrError } from '../door.ts';
import type { HartLine } from '../hart-contract.ts';
import { type CounterHooks, Counters } from './counters.ts';
import { CSR_BY_ADDRESS, type CsrTarget, satpIsSv39, stceEnabled } from './csr-table.ts';
import { FloatState } from './float-state.ts';
import type { HartArea } from './hart-area.ts';
import { CSR_REGISTERS, type CsrRegister, TLB_CLASS, type TlbClass } from './layout.ts';
import { MPP_SHIFT, MSTATUS, SPP_SHIFT } from './mstatus.ts';
import { PmpUnit } from './pmp-unit.ts';
import { Tlb } from './tlb.ts';
import { INTERRUPT, INTERRUPT_FLAG } from './trap-cause.ts';

export type Privilege = 0 | 1 | 3;

const CSR_INDEX = Object.fromEntries(CSR_REGISTERS.map((name, i) => [name, i])) as Readonly<
  Record<CsrRegister, number>
>;
const PAGE_SHIFT = 12n;
const SATP_PPN = (1n << 44n) - 1n;
const ALL_ONES = (1n << 64n) - 1n;
const U64 = (value: bigint): bigint => BigInt.asUintN(64, value);
const INTERRUPT_BIT = 1n << 63n;

/** Order in which simultaneous interrupts are taken: [Priv] "Machine Interrupt Registers (mip and mie)". */
const INTERRUPT_ORDER = [INTERRUPT.MEI, INTERRUPT.MSI, INTERRUPT.MTI, INTERRUPT.SEI, INTERRUPT.SSI, INTERRUPT.STI];

const LINE_BIT: Readonly<Record<HartLine, number>> = {
  MSIP: 1 << INTERRUPT.MSI,
  MTIP: 1 << INTERRUPT.MTI,
  MEIP: 1 << INTERRUPT.MEI,
  SEIP: 1 << INTERRUPT.SEI,
};

/** What the control plane needs of the running hart. */
export interface HartHooks extends CounterHooks {
  time(): bigint;
  /** Time spent in WFIs, in ns. */
  waitedNs(): number;
  /** The next run of the interpreter must look at interrupts first. */
  checkInterrupts(): void;
  /** stimecmp moved. */
  timerMoved(): void;
  exceptionTaken(cause: number): void;
  /** A trap or return left the hart in M-mode here. */
  enteredMachineMode(pc: bigint): void;
}

export class HartControl implements CsrTarget {
  readonly hartId: number;
  readonly area: HartArea;
  readonly counters: Counters;
  readonly pmp: PmpUnit;
  readonly tlb: Tlb;
  readonly float: FloatState;
  readonly machineModeEntries = new Map<number, number>();
  readonly #hooks: HartHooks;
  #lines = 0;
  #software = 0;
  /** satp was written since the TLB context was chosen. */
  #satpWritten = false;

  constructor(hartId: number, area: HartArea, hooks: HartHooks) {
    this.hartId = hartId;
    this.area = area;
    this.#hooks = hooks;
    this.counters = new Counters(hooks);
    this.pmp = new PmpUnit(area);
    this.tlb = new Tlb(area);
    this.float = new FloatState(area);
    this.reset();
  }

  reset(): void {
    this.area.csrs.fill(0n);
    this.setRegister('stimecmp', ALL_ONES);
    this.machineModeEntries.clear();
    this.pmp.replace([]);
    this.float.replace(0, 0);
    this.counters.reset();
    this.#privilege = 3;
    this.#status = 0;
    this.#software = 0;
    this.stateReplaced();
  }

  // -------------------------------------------------------------------------------------------------------- privilege

  get privilege(): Privilege {
    return this.area.word('privilege') as Privilege;
  }

  /** Without the side effects of a change. */
  set #privilege(value: Privilege) {
    this.area.setWord('privilege', value);
  }

  get mstatus(): number {
    return this.area.word('mstatus');
  }

  /** Without the side effects of a change. */
  set #status(value: number) {
    this.area.setWord('mstatus', value);
  }

  set mstatus(value: number) {
    const changed = this.mstatus ^ value;
    this.#status = value;
    if (changed & MSTATUS.MXR) {
      this.tlb.flushAll();
      this.area.setWord('mxr', value & MSTATUS.MXR ? 1 : 0);
    }
    if (changed & (MSTATUS.SUM | MSTATUS.MPRV | MSTATUS.MPP)) this.#modeChanged();
    if (changed & MSTATUS.FS) this.float.statusChanged();
    if (changed & (MSTATUS.SIE | MSTATUS.MIE)) this.interruptsChanged();
  }

  /** Privilege of loads and stores. */
  get dataPrivilege(): number {
    const status = this.mstatus;
    return this.privilege === 3 && status & MSTATUS.MPRV ? (status & MSTATUS.MPP) >> MPP_SHIFT : this.privilege;
  }

  get fetchClass(): TlbClass {
    return this.privilege === 3 ? TLB_CLASS.machine : this.privilege === 1 ? TLB_CLASS.supervisor : TLB_CLASS.user;
  }

  /** Chooses the TLB banks. MPRV: loads and stores as if in MPP. */
  #modeChanged(): void {
    const { area, tlb, dataPrivilege } = this;
    const supervisorClass = this.mstatus & MSTATUS.SUM ? TLB_CLASS.supervisorUserMemory : TLB_CLASS.supervisor;
    const dataClass = dataPrivilege === 3 ? TLB_CLASS.machine : dataPrivilege === 1 ? supervisorClass : TLB_CLASS.user;
    area.setWord('dataBank', tlb.dataBank(dataClass));
    area.setWord('fetchBank', tlb.fetchBank(this.fetchClass));
  }

  translationChanged(): void {
    const satp = this.register('satp');
    this.area.setWord('sv39', satpIsSv39(satp) ? 1 : 0);
    this.area.setDouble('rootTable', (satp & SATP_PPN) << PAGE_SHIFT);
    this.#satpWritten = true;
  }

  /** Lets generated code see satp and PMP as they are; to be called before it runs. */
  synchronize(): void {
    const isPmpNew = this.pmp.synchronize();
    if (!isPmpNew && !this.#satpWritten) return;
    this.#satpWritten = false;
    this.tlb.choose(this.register('satp'), this.pmp.contents);
    this.#modeChanged();
  }

  register(name: CsrRegister): bigint {
    return this.area.csrs[CSR_INDEX[name]] ?? 0n;
  }

  setRegister(name: CsrRegister, value: bigint): void {
    this.area.csrs[CSR_INDEX[name]] = value;
  }

  get time(): bigint {
    return this.#hooks.time();
  }

  get waitedNs(): bigint {
    return BigInt(this.#hooks.waitedNs());
  }

  // -------------------------------------------------------------------------------------------------------- interrupts

  get softwareInterrupts(): number {
    return this.#software;
  }

  set softwareInterrupts(value: number) {
    this.#software = value;
  }

  /** True when the level is new. */
  setLine(line: HartLine, level: boolean): boolean {
    const before = this.#lines;
    this.#lines = level ? before | LINE_BIT[line] : before & ~LINE_BIT[line];
    return before !== this.#lines;
  }

  pendingInterrupts(): number {
    let software = this.#software;
    if (stceEnabled(this)) {
      software &= ~(1 << INTERRUPT.STI);
      if (this.#hooks.time() >= this.register('stimecmp')) software |= 1 << INTERRUPT.STI;
    }
    return software | this.#lines;
  }

  /** mip & mie is not zero. */
  wakePending(): boolean {
    return this.#enabledPending() !== 0;
  }

  /** mip & mie, left in state for generated code, which asks the control plane only when it is not zero. */
  #enabledPending(): number {
    const mie = Number(this.register('mie'));
    const pending = mie === 0 ? 0 : this.pendingInterrupts() & mie;
    this.area.setWord('interruptsPending', pending);
    return pending;
  }

  /** Number of the interrupt to take now. */
  interruptToTake(): number | undefined {
    const pending = this.#enabledPending();
    if (pending === 0) return undefined;
    const mideleg = Number(this.register('mideleg'));
    const machineEnabled = this.privilege < 3 || (this.mstatus & MSTATUS.MIE) !== 0;
    const supervisorEnabled = this.privilege < 1 || (this.privilege === 1 && (this.mstatus & MSTATUS.SIE) !== 0);
    const toMachine = machineEnabled ? pending & ~mideleg : 0;
    const toSupervisor = supervisorEnabled ? pending & mideleg : 0;
    const candidates = toMachine !== 0 ? toMachine : toSupervisor;
    return INTERRUPT_ORDER.find((n) => (candidates & (1 << n)) !== 0);
  }

  interruptsChanged(): void {
    this.#hooks.checkInterrupts();
  }

  timerChanged(): void {
    this.#hooks.checkInterrupts();
    this.#hooks.timerMoved();
  }

  // --------------------------------------------------------------------------------------------------------------- traps

  takeInterrupt(number: number): void {
    const delegated = (Number(this.register('mideleg')) & (1 << number)) !== 0;
    this.#trap(INTERRUPT_BIT | BigInt(number), 0n, delegated, number);
  }

  takeException(cause: number, value: bigint): void {
    const delegated = this.privilege < 3 && ((Number(this.register('medeleg')) >> cause) & 1) === 1;
    this.#trap(BigInt(cause), value, delegated, undefined);
    this.#hooks.exceptionTaken(cause);
  }

  /** Source: [Priv] "Trap handling" under mstatus xPIE, xIE, xPP. */
  #trap(cause: bigint, value: bigint, toSupervisor: boolean, interrupt: number | undefined): void {
    const { area } = this;
    const pc = area.double('pc');
    const status = this.mstatus;
    const from = this.privilege;
    let vector: bigint;
    if (toSupervisor) {
      this.setRegister('sepc', pc);
      this.setRegister('scause', cause);
      this.setRegister('stval', U64(value));
      const spie = status & MSTATUS.SIE ? MSTATUS.SPIE : 0;
      this.#status = (status & ~(MSTATUS.SPIE | MSTATUS.SPP | MSTATUS.SIE)) | spie | (from === 0 ? 0 : MSTATUS.SPP);
      this.#privilege = 1;
      vector = this.register('stvec');
    } else {
      this.setRegister('mepc', pc);
      this.setRegister('mcause', cause);
      this.setRegister('mtval', U64(value));
      const mpie = status & MSTATUS.MIE ? MSTATUS.MPIE : 0;
      this.#status = (status & ~(MSTATUS.MPIE | MSTATUS.MPP | MSTATUS.MIE)) | mpie | (from << MPP_SHIFT);
      this.#privilege = 3;
      vector = this.register('mtvec');
      const key = interrupt === undefined ? Number(cause) : INTERRUPT_FLAG + interrupt;
      this.machineModeEntries.set(key, (this.machineModeEntries.get(key) ?? 0) + 1);
    }
    const vectored = (vector & 1n) === 1n && interrupt !== undefined;
    const target = (vector & ~3n) + (vectored ? BigInt(interrupt) * 4n : 0n);
    area.setDouble('pc', target);
    area.setWord('trapped', 1);
    this.#modeChanged();
    if (this.privilege === 3) this.#hooks.enteredMachineMode(target);
  }

  mret(): void {
    const status = this.mstatus;
    const to = ((status & MSTATUS.MPP) >> MPP_SHIFT) as Privilege;
    const mie = status & MSTATUS.MPIE ? MSTATUS.MIE : 0;
    // "sets MPP to the least-privileged mode"; "if y≠M, xRET also sets MPRV=0".
    const mprv = to === 3 ? status & MSTATUS.MPRV : 0;
    this.#status = (status & ~(MSTATUS.MIE | MSTATUS.MPP | MSTATUS.MPRV)) | mie | MSTATUS.MPIE | mprv;
    this.#returnTo(to, this.register('mepc'));
  }

  sret(): void {
    const status = this.mstatus;
    const to: Privilege = (status & MSTATUS.SPP) >> SPP_SHIFT === 1 ? 1 : 0;
    const sie = status & MSTATUS.SPIE ? MSTATUS.SIE : 0;
    this.#status = (status & ~(MSTATUS.SIE | MSTATUS.SPP | MSTATUS.MPRV)) | sie | MSTATUS.SPIE;
    this.#returnTo(to, this.register('sepc'));
  }

  #returnTo(privilege: Privilege, pc: bigint): void {
    this.#privilege = privilege;
    this.area.setDouble('pc', pc);
    this.#modeChanged();
    this.interruptsChanged();
    if (privilege === 3) this.#hooks.enteredMachineMode(pc);
  }

  // ---------------------------------------------------------------------------------------------------- M-mode's view

  readCsr(address: number): bigint {
    const row = CSR_BY_ADDRESS.get(address);
    if (row === undefined) throw new IllegalCsrError(address);
    return row.read(this);
  }

  writeCsr(address: number, value: bigint): void {
    const row = CSR_BY_ADDRESS.get(address);
    if (row === undefined) throw new IllegalCsrError(address);
    row.write?.(this, U64(value));
  }

  // ----------------------------------------------------------------------------------------------------------- snapshot

  /** Everything derived is derived again. */
  stateReplaced(): void {
    this.area.setWord('mxr', this.mstatus & MSTATUS.MXR ? 1 : 0);
    this.tlb.flushAll();
    this.translationChanged();
    this.synchronize();
    this.float.statusChanged();
    this.#modeChanged();
  }

  save() {
    return {
      privilege: this.privilege,
      mstatus: this.mstatus,
      fflags: this.float.fflags,
      frm: this.float.frm,
      lines: this.#lines,
      software: this.#software,
      pmp: this.pmp.entries.map(({ cfg, addr }) => ({ cfg, addr })),
      counters: this.counters.save(),
      registers: [...this.area.csrs],
      machineModeEntries: [...this.machineModeEntries].map(([cause, count]) => [cause, count]),
    };
  }

  restore(state: ReturnType<HartControl['save']>): void {
    this.#privilege = state.privilege;
    this.#status = state.mstatus;
    this.float.replace(state.fflags, state.frm);
    this.#lines = state.lines;
    this.#software = state.software;
    this.pmp.replace(state.pmp);
    this.counters.restore(state.counters);
    this.area.csrs.set(state.registers);
    this.machineModeEntries.clear();
    for (const [cause, count] of state.machineModeEntries) this.machineModeEntries.set(cause ?? 0, count ?? 0);
    this.stateReplaced();
  }
}
