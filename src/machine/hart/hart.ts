/** One hart: generated interpreter, control plane, and the slow paths between them and the bus. */
import type { AccessBytes, SnapshotValue } from '../door.ts';
import type { Hart, HartLine, HartOptions, HartStop } from '../hart-contract.ts';
import { type Decoded, decode } from '../isa/decode.ts';
import { type CodePageListener, GuestMemory } from '../memory.ts';
import { executeExactly } from './float-unit.ts';
import { opBefore, opBytes, ownOp } from './handlers.ts';
import { HartArea } from './hart-area.ts';
import { HartControl, type HartHooks, type Privilege } from './hart-control.ts';
import { generateInterpreter, type HartImports, type HartModule } from './interpreter.ts';
import {
  AREA,
  CROSSING_DECODED,
  PAGE_BYTES,
  PAGE_FOOTER,
  PERMISSION,
  RECORD,
  RECORD_BYTES,
  TLB_CLASS,
} from './layout.ts';
import { MPP_SHIFT, MSTATUS } from './mstatus.ts';
import { pmpAllows } from './pmp.ts';
import { predecode } from './predecode.ts';
import { executeSystem } from './system-instructions.ts';
import { ACCESS } from './translation.ts';
import { CAUSE } from './trap-cause.ts';

/** Words a hart has executed in the control plane, decoded. Bounded; emptied when full. */
const DECODED_WORDS_MAX = 4096;
/** Longest call of generated code: V8 can only swap in optimised code when the function is entered anew. */
const CALL_INSTRUCTIONS_MAX = 0x10_0000;
/** Traps without a retired instruction between them before each counts as one. No proper handler traps so often. */
const EXCEPTIONS_IN_A_ROW_MAX = 16;
const SNAPSHOT_VERSION = 1;

class InterpretedHart implements Hart, HartHooks, CodePageListener {
  readonly hartId: number;
  readonly state: Hart['state'];
  readonly #memory: GuestMemory;
  readonly #options: HartOptions;
  readonly #area: HartArea;
  readonly #control: HartControl;
  readonly #module: HartModule;
  readonly #decoded = new Map<number, Decoded>();
  /** Instructions retired before the present call of the interpreter. */
  #retiredBefore = 0;
  /** Budget the present call began with, and what was taken off it to end the call early. */
  #callBudget = 0;
  #cut = 0;
  #running = false;
  #executingCsr = false;
  #yieldRequested = false;
  #waiting = false;
  #recordsMoved = false;
  #lastExceptionAt = -1;
  #exceptionsInARow = 0;

  constructor(options: HartOptions) {
    if (!(options.memory instanceof GuestMemory)) throw new TypeError('a hart needs memory of createPhysicalMemory');
    this.#options = options;
    this.hartId = options.hartId;
    this.#memory = options.memory;
    const base = this.#memory.addHart(this.hartId, ownOp('pageEnd'), this);
    this.#area = new HartArea(this.#memory.wasm.buffer, base);
    this.#control = new HartControl(this.hartId, this.#area, this);
    this.#module = this.#instantiate(base);
    this.state = this.#machineModeView();
  }

  #instantiate(base: number): HartModule {
    const pages = this.#memory.wasm.buffer.byteLength / 0x1_0000;
    const module = new WebAssembly.Module(generateInterpreter(base, this.#memory, pages));
    const imports: HartImports = {
      fault: (cause, address) => this.#exception(cause, address),
      recordsOfPage: (linear) => this.#memory.recordsOfPage(linear),
      checkedFetch: (address) => this.#checkedFetch(address),
      decode: (record) => this.#decodeRecord(record),
      crossing: (record) => this.#decodeCrossing(record),
      illegal: (word) => this.#exception(CAUSE.illegalInstruction, BigInt(word >>> 0)),
      environment: (word) => this.#environment(word),
      environmentAtPc: () => this.#environment(this.#wordAtPc() | 0),
      floatExact: (word) => this.#floatExact(word),
      floatUse: (write) => this.#floatUse(write),
      slowLoad: (bytes) => this.#slowLoad(bytes as AccessBytes),
      slowStore: (bytes) => this.#slowStore(bytes as AccessBytes),
      codePageWritten: (records) => this.#memory.dropRecords(records),
    };
    const env = { memory: this.#memory.wasm, ...imports };
    return new WebAssembly.Instance(module, { env }).exports as unknown as HartModule;
  }

  // ------------------------------------------------------------------------------------------------------ the contract

  get retired(): number {
    return this.#running
      ? this.#retiredBefore + this.#callBudget - this.#cut - this.#area.word('budget')
      : this.#retiredBefore;
  }

  get machineModeEntries(): ReadonlyMap<number, number> {
    return this.#control.machineModeEntries;
  }

  get pc(): bigint {
    return this.#area.double('pc');
  }

  set pc(value: bigint) {
    this.#area.setDouble('pc', value);
  }

  get privilege(): Privilege {
    return this.#control.privilege;
  }

  get stimecmp(): bigint {
    return this.#control.register('stimecmp');
  }

  reset(pc: number): void {
    this.#area.x.fill(0n);
    this.#area.f.fill(0n);
    this.#area.setWord('reservation', 0);
    this.#retiredBefore = 0;
    this.#yieldRequested = false;
    this.#waiting = false;
    this.#control.reset();
    this.pc = BigInt(pc);
  }

  run(maxInstructions: number): HartStop {
    let left = maxInstructions;
    this.#yieldRequested = false;
    for (;;) {
      const interrupt = this.#control.interruptToTake();
      if (interrupt !== undefined) this.#control.takeInterrupt(interrupt);
      if (this.privilege === 3 && this.#options.machineModeEntries.has(Number(this.pc))) return 'machine-mode';
      if (left <= 0) return 'budget';
      left -= this.#interpret(Math.min(left, CALL_INSTRUCTIONS_MAX));
      if (this.#waiting) {
        this.#waiting = false;
        return 'wfi';
      }
      if (this.#yieldRequested) {
        this.#yieldRequested = false;
        if (left > 0) return 'yield';
      }
    }
  }

  /** Runs generated code for at most `budget` instructions and returns how many retired. */
  #interpret(budget: number): number {
    const before = this.#retiredBefore;
    this.#callBudget = budget;
    this.#cut = 0;
    this.#area.setWord('budget', budget);
    this.#running = true;
    try {
      this.#module.run();
    } finally {
      this.#retiredBefore = this.retired;
      this.#running = false;
    }
    return this.#retiredBefore - before;
  }

  /** Leaves the interpreter when `instructions` more have retired; the executing one counts. */
  #endAfter(instructions: number): void {
    if (!this.#running) return;
    const budget = this.#area.word('budget');
    if (budget <= instructions) return;
    this.#cut += budget - instructions;
    this.#area.setWord('budget', instructions);
  }

  requestYield(): void {
    this.#yieldRequested = true;
    this.#endAfter(1);
  }

  setLine(line: HartLine, level: boolean): void {
    if (this.#control.setLine(line, level)) this.#endAfter(1);
  }

  wakePending(): boolean {
    return this.#control.wakePending();
  }

  mret(): void {
    this.#control.mret();
  }

  // ------------------------------------------------------------------------------------------- hooks of the control plane

  executing(): number {
    return this.#executingCsr ? 1 : 0;
  }

  time(): bigint {
    return this.#options.time();
  }

  checkInterrupts(): void {
    if (this.#running && this.#control.interruptToTake() !== undefined) this.#endAfter(1);
  }

  timerMoved(): void {
    this.requestYield();
  }

  enteredMachineMode(pc: bigint): void {
    if (this.#options.machineModeEntries.has(Number(pc))) this.#endAfter(0);
  }

  // --------------------------------------------------------------------------------------------- imports of generated code

  #exception(cause: number, value: bigint): void {
    this.#control.takeException(cause, value);
    this.#countException();
    if (this.#yieldRequested) this.#endAfter(0);
  }

  /**
   * A trap vector that itself traps would keep the hart busy for ever without an instruction retiring. From some point on
   * each such trap counts as an instruction, so that time passes and the run ends.
   */
  #countException(): void {
    const { retired } = this;
    if (retired !== this.#lastExceptionAt) {
      this.#lastExceptionAt = retired;
      this.#exceptionsInARow = 0;
    }
    this.#exceptionsInARow += 1;
    if (this.#exceptionsInARow < EXCEPTIONS_IN_A_ROW_MAX) return;
    this.#retireExecuting();
    this.#lastExceptionAt = this.retired;
  }

  #decodeRecord(record: number): void {
    const records = this.#memory.recordsContaining(record);
    const offset = (record - records) / 4;
    const at = this.#memory.pageOfRecords(records) + offset;
    const { memory } = this.#area;
    const low = memory.getUint16(at, true);
    if ((low & 3) === 3 && offset === PAGE_BYTES - 2) {
      memory.setUint8(record + RECORD.op, ownOp('crossing'));
      memory.setInt32(records + PAGE_FOOTER.crossingHalf, 0, true);
    } else {
      predecode(memory, record, (low & 3) === 3 ? memory.getInt32(at, true) : low, offset, true);
    }
    this.#pairUp(record, offset);
  }

  /** Records that execute this instruction together with the one before or after it, where there is a handler for both. */
  #pairUp(record: number, offset: number): void {
    const { memory } = this.#area;
    const op = memory.getUint8(record + RECORD.op);
    for (const bytes of [2, 4] as const) {
      const before = record - (bytes / 2) * RECORD_BYTES;
      if (offset < bytes) break;
      const first = memory.getUint8(before + RECORD.op);
      if (opBytes(first) === bytes) memory.setUint8(before + RECORD.op, opBefore(first, op));
    }
    const bytes = opBytes(op);
    if (bytes === undefined || offset + bytes >= PAGE_BYTES) return;
    const after = record + (bytes / 2) * RECORD_BYTES;
    memory.setUint8(record + RECORD.op, opBefore(op, memory.getUint8(after + RECORD.op)));
  }

  /** The rest of the instruction lies in another page, mapped wherever that page is now. */
  #decodeCrossing(record: number): number {
    const { memory } = this.#area;
    const records = this.#memory.recordsContaining(record);
    this.#recordsMoved = false;
    const low = memory.getUint16(this.#memory.pageOfRecords(records) + PAGE_BYTES - 2, true);
    const high = this.#fetchHalfword(BigInt.asUintN(64, this.pc + 2n));
    if (high === undefined || this.#recordsMoved) return 0;
    predecode(memory, records + PAGE_FOOTER.crossing, (high << 16) | low, PAGE_BYTES - 2, false);
    memory.setInt32(records + PAGE_FOOTER.crossingHalf, high | CROSSING_DECODED, true);
    return 1;
  }

  /** One instruction of a page that PMP cuts in pieces. */
  #checkedFetch(address: bigint): number {
    const { memory, base } = this.#area;
    const low = this.#fetchHalfword(address);
    if (low === undefined) return 0;
    const isLong = (low & 3) === 3;
    const high = isLong ? this.#fetchHalfword(BigInt.asUintN(64, address + 2n)) : 0;
    if (high === undefined) return 0;
    const record = base + AREA.checkedRecords;
    predecode(memory, record, (high << 16) | low, Number(address & BigInt(PAGE_BYTES - 1)), false);
    memory.setUint8(record + (isLong ? 2 : 1) * RECORD_BYTES, ownOp('pageEnd'));
    return record;
  }

  /** Translates, checks and reads two bytes of code; undefined after a trap of the instruction at pc. */
  #fetchHalfword(address: bigint): number | undefined {
    const tlbClass = this.#control.fetchClass;
    const cause = this.#module.walk(address, ACCESS.fetch, tlbClass);
    if (cause !== 0) {
      this.#exception(cause, address);
      return undefined;
    }
    const physical = this.#area.number('walkAddress');
    const machine = tlbClass === TLB_CLASS.machine;
    if (
      !this.#memory.contains(physical, 2) ||
      !pmpAllows(this.#control.pmpIntervals, BigInt(physical), 2, PERMISSION.fetch, machine)
    ) {
      this.#exception(CAUSE.instructionAccess, address);
      return undefined;
    }
    return this.#area.memory.getUint16(this.#memory.toLinear(physical), true);
  }

  #decodeWord(word: number): Decoded {
    const known = this.#decoded.get(word);
    if (known !== undefined) return known;
    const decoded = decode(word);
    if (decoded === undefined) throw new Error(`control plane got 0x${(word >>> 0).toString(16)}, no instruction`);
    if (this.#decoded.size === DECODED_WORDS_MAX) this.#decoded.clear();
    this.#decoded.set(word, decoded);
    return decoded;
  }

  #environment(word: number): number {
    const decoded = this.#decodeWord(word);
    this.#executingCsr = true;
    const outcome = executeSystem(this.#control, decoded, word);
    this.#executingCsr = false;
    switch (outcome) {
      case 'next':
        return 0;
      case 'trapped':
        return 1;
      case 'jumped':
        this.#retireExecuting();
        return 1;
      case 'wfi':
        if (this.wakePending()) return 0;
        this.pc = BigInt.asUintN(64, this.pc + 4n);
        this.#retireExecuting();
        this.#waiting = true;
        this.#endAfter(0);
        return 1;
    }
  }

  #retireExecuting(): void {
    this.#area.setWord('budget', Math.max(this.#area.word('budget') - 1, 0));
  }

  #floatExact(word: number): number {
    return executeExactly(this.#control, this.#decodeWord(word), word) ? 0 : 1;
  }

  #floatUse(write: number): number {
    if ((this.#control.mstatus & MSTATUS.FS) === 0) {
      this.#exception(CAUSE.illegalInstruction, BigInt(this.#wordAtPc()));
      return 1;
    }
    if (write !== 0) this.#control.dirtyFloat();
    return 0;
  }

  /** The instruction at pc, for mtval. It was fetched, so its pages are mapped. */
  #wordAtPc(): number {
    const low = this.#fetchHalfword(this.pc) ?? 0;
    return (low & 3) === 3 ? (((this.#fetchHalfword(this.pc + 2n) ?? 0) << 16) | low) >>> 0 : low;
  }

  #slowLoad(bytes: AccessBytes): void {
    const address = this.#area.number('walkAddress');
    const refused = this.#refusedAccess(address, bytes, PERMISSION.load);
    if (refused !== undefined) {
      this.#exception(refused, this.#area.double('accessAddress'));
      return;
    }
    const value = this.#memory.contains(address, bytes)
      ? readLittleEndian(this.#area.memory, this.#memory.toLinear(address), bytes)
      : this.#options.bus.read(address, bytes);
    if (value === undefined) this.#exception(CAUSE.loadAccess, this.#area.double('accessAddress'));
    else this.#area.setDouble('value', value);
  }

  #slowStore(bytes: AccessBytes): void {
    const address = this.#area.number('walkAddress');
    const refused = this.#refusedAccess(address, bytes, PERMISSION.store);
    if (refused !== undefined) {
      this.#exception(refused, this.#area.double('accessAddress'));
      return;
    }
    const value = BigInt.asUintN(bytes * 8, this.#area.double('value'));
    if (this.#memory.contains(address, bytes)) {
      writeLittleEndian(this.#area.memory, this.#memory.toLinear(address), bytes, value);
      this.#memory.written(address, bytes);
    } else if (!this.#options.bus.write(address, bytes, value)) {
      this.#exception(CAUSE.storeAccess, this.#area.double('accessAddress'));
    }
  }

  /** Cause of the exception of an access at a PMP boundary or to a device. */
  #refusedAccess(address: number, bytes: AccessBytes, permission: number): number | undefined {
    const load = permission === PERMISSION.load;
    if (address % bytes !== 0) return load ? CAUSE.loadMisaligned : CAUSE.storeMisaligned;
    const status = this.#control.mstatus;
    const effective =
      this.privilege === 3 && status & MSTATUS.MPRV ? (status & MSTATUS.MPP) >> MPP_SHIFT : this.privilege;
    return pmpAllows(this.#control.pmpIntervals, BigInt(address), bytes, permission, effective === 3)
      ? undefined
      : load
        ? CAUSE.loadAccess
        : CAUSE.storeAccess;
  }

  // ----------------------------------------------------------------------------------------------- code page listener

  codePageAdded(linear: number): void {
    this.#area.forbidStores(linear);
  }

  codePagesDropped(): void {
    this.#recordsMoved = true;
    this.#area.flush();
    this.#endAfter(1);
  }

  // -------------------------------------------------------------------------------------------------- M-mode programs

  #machineModeView(): Hart['state'] {
    const area = this.#area;
    const control = this.#control;
    const u64 = (value: bigint): bigint => BigInt.asUintN(64, value);
    return {
      hartId: this.hartId,
      x: (register) => area.x[register] ?? 0n,
      setX: (register, value) => {
        if (register !== 0) area.x[register] = u64(value);
      },
      f: (register) => area.f[register] ?? 0n,
      setF: (register, value) => {
        area.f[register] = u64(value);
      },
      csr: (address) => control.readCsr(address),
      setCsr: (address, value) => control.writeCsr(address, value),
      fenceVma: () => area.flush(),
      fenceI: () => {},
    };
  }

  // ---------------------------------------------------------------------------------------------------------- snapshot

  save(): SnapshotValue {
    return {
      version: SNAPSHOT_VERSION,
      x: [...this.#area.x.subarray(0, 32)],
      f: [...this.#area.f],
      pc: this.pc,
      retired: this.#retiredBefore,
      reservation: this.#area.word('reservation'),
      reservedValue: this.#area.double('reservedValue'),
      control: this.#control.save(),
    };
  }

  restore(state: SnapshotValue): void {
    const s = state as unknown as {
      readonly version: number;
      readonly x: readonly bigint[];
      readonly f: readonly bigint[];
      readonly pc: bigint;
      readonly retired: number;
      readonly reservation: number;
      readonly reservedValue: bigint;
      readonly control: ReturnType<HartControl['save']>;
    };
    if (s.version !== SNAPSHOT_VERSION) {
      throw new Error(`hart snapshot: expected version ${SNAPSHOT_VERSION}, found ${s.version}`);
    }
    this.#area.x.set(s.x);
    this.#area.f.set(s.f);
    this.pc = s.pc;
    this.#retiredBefore = s.retired;
    this.#area.setWord('reservation', s.reservation);
    this.#area.setDouble('reservedValue', s.reservedValue);
    this.#control.restore(s.control);
    this.#area.flushAll();
  }
}

function readLittleEndian(memory: DataView, at: number, bytes: AccessBytes): bigint {
  switch (bytes) {
    case 1:
      return BigInt(memory.getUint8(at));
    case 2:
      return BigInt(memory.getUint16(at, true));
    case 4:
      return BigInt(memory.getUint32(at, true));
    case 8:
      return memory.getBigUint64(at, true);
  }
}

function writeLittleEndian(memory: DataView, at: number, bytes: AccessBytes, value: bigint): void {
  for (let i = 0; i < bytes; i++) memory.setUint8(at + i, Number((value >> BigInt(i * 8)) & 0xffn));
}

/** A hart on memory of `createPhysicalMemory`, reset at address 0. */
export function createHart(options: HartOptions): Hart {
  return new InterpretedHart(options);
}
