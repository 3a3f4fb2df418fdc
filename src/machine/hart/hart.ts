/** One hart: generated interpreter, control plane, and the slow paths between them and the bus. */
import type { AccessBytes, SnapshotValue } from '../door.ts';
import type { Hart, HartLine, HartOptions, HartStop } from '../hart-contract.ts';
import { type Decoded, decode } from '../isa/decode.ts';
import { type CodePageListener, GuestMemory } from '../memory.ts';
import { HotPages, SAMPLE_INSTRUCTIONS } from '../translator/hot-pages.ts';
import { type Translator, translatorOf } from '../translator/translator.ts';
import { BusAccess } from './bus-access.ts';
import { CodeFetch } from './code-fetch.ts';
import { executeExactly } from './float-unit.ts';
import { ownOp } from './handlers.ts';
import { HartArea } from './hart-area.ts';
import { HartControl, type HartHooks, type Privilege } from './hart-control.ts';
import type { HartImports, HartModule } from './hart-imports.ts';
import { generateInterpreter } from './interpreter.ts';
import { ENTRY, PAGE_BYTES, STEPPED } from './layout.ts';
import { MSTATUS } from './mstatus.ts';
import { peekPage } from './page-peek.ts';
import { executeSystem } from './system-instructions.ts';
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
  readonly #fetch: CodeFetch;
  readonly #access: BusAccess;
  readonly #translator: Translator | undefined;
  readonly #hotPages: HotPages | undefined;
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
    this.#translator = translatorOf(this.#memory, options.translate ?? 'hot', options.knownCode);
    this.#module = this.#instantiate(base);
    const isHot = (options.translate ?? 'hot') === 'hot';
    if (isHot && this.#translator !== undefined) this.#hotPages = new HotPages(this.#translator, this.#area.memory);
    this.#fetch = new CodeFetch(this.#area, this.#memory, this.#control, this.#module.walk);
    this.#access = new BusAccess(this.#area, this.#memory, this.#control, options.bus);
    this.state = this.#machineModeView();
  }

  #instantiate(base: number): HartModule {
    const pages = this.#memory.wasm.buffer.byteLength / 0x1_0000;
    const module = new WebAssembly.Module(generateInterpreter(base, this.#memory, pages));
    const imports: HartImports = {
      fault: (cause, address) => this.#control.takeException(cause, address),
      recordsOfPage: (linear) => this.#memory.recordsOfPage(linear),
      checkedFetch: (address) => this.#fetch.checkedRecord(address),
      decode: (record) => this.#decode(record),
      crossing: (record) => (this.#fetch.decodeCrossing(record) ? 1 : 0),
      illegal: (word) => this.#control.takeException(CAUSE.illegalInstruction, BigInt(word >>> 0)),
      environment: (word) => this.#environment(word),
      floatExact: (word) => this.#floatExact(word),
      floatUse: (write) => this.#floatUse(write),
      slowLoad: (bytes) => this.#access.load(bytes as AccessBytes),
      slowStore: (bytes) => this.#access.store(bytes as AccessBytes),
      slowAtomic: (bytes, access) => this.#access.atomicAddress(bytes as AccessBytes, access),
      pmpAllowsEntry: (address, permission) => (this.#access.allowsEntry(address, permission) ? 1 : 0),
      codePageWritten: (records) => this.#memory.dropRecords(records),
      translationWritten: (records) => this.#translator?.codeWritten(records),
    };
    const regions = new WebAssembly.Table({ element: 'anyfunc', initial: ENTRY.regionsMax });
    const env = { memory: this.#memory.wasm, regions, ...imports };
    const exports = new WebAssembly.Instance(module, { env }).exports as unknown as HartModule;
    this.#translator?.addHart({
      regions,
      decodeRecord: (record) => this.#fetch.decodeRecord(record),
    });
    return exports;
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
    this.#lastExceptionAt = -1;
    this.#exceptionsInARow = 0;
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
      left -= this.#interpret(
        Math.min(left, this.#hotPages === undefined ? CALL_INSTRUCTIONS_MAX : SAMPLE_INSTRUCTIONS),
      );
      if (this.#hotPages !== undefined) this.#sample(this.#hotPages);
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

  #sample(hotPages: HotPages): void {
    const records = this.#area.recordsAtPc();
    if (records !== 0) {
      const offset = this.#area.word('pc') & (PAGE_BYTES - 1);
      hotPages.sample(records, offset, (distance) => this.#recordsNear(this.#area.pageOfPc(), distance));
    }
    if (this.#area.number('missedEntry') !== 0) this.#sampleMissedEntry(hotPages);
  }

  #sampleMissedEntry(hotPages: HotPages): void {
    const missed = this.#area.double('missedEntry');
    this.#area.setNumber('missedEntry', 0);
    const offset = Number(missed & BigInt(PAGE_BYTES - 1));
    const page = missed - BigInt(offset);
    const records = this.#recordsNear(page, 0);
    if (records === 0) return;
    const isStepped = (offset & STEPPED) !== 0;
    hotPages.missedEntry(records, offset & ~STEPPED, isStepped, (distance) => this.#recordsNear(page, distance));
  }

  /** Records of the page at a distance from another one, 0 when they are not known. */
  #recordsNear(from: bigint, distance: number): number {
    const page = BigInt.asUintN(64, from + BigInt(distance));
    const physical = peekPage(this.#area, this.#memory, page);
    return physical === undefined ? 0 : this.#memory.knownRecords(physical);
  }

  /** Runs generated code for at most `budget` instructions and returns how many retired. */
  #interpret(budget: number): number {
    const before = this.#retiredBefore;
    this.#control.synchronize();
    this.#callBudget = budget;
    this.#cut = 0;
    this.#area.setWord('budget', budget);
    this.#area.setWord('leftBudget', budget);
    this.#area.setNumber('leftAt', 0);
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

  waitedNs(): number {
    return Math.floor(this.#options.waitedNs?.() ?? 0);
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

  /**
   * A trap vector that itself traps would keep the hart busy for ever without an instruction retiring. From some point on
   * each such trap counts as an instruction, so that time passes and the run ends.
   */
  exceptionTaken(cause: number): void {
    if (this.#yieldRequested) this.#endAfter(0);
    // The handler of this one is in another mode; generated code does not count it either.
    if (cause === CAUSE.ecallFromUser) return;
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

  #decode(record: number): void {
    this.#fetch.decodeRecord(record);
    if (this.#options.translate === 'all') this.#translator?.translateFrom(record);
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
    const { changes } = this.#control.tlb;
    this.#executingCsr = true;
    const outcome = executeSystem(this.#control, decoded, word);
    this.#executingCsr = false;
    this.#control.synchronize();
    switch (outcome) {
      case 'next':
        if (changes === this.#control.tlb.changes) return 0;
        // The next instruction is fetched anew: what is behind its address may be another page, or nothing.
        this.pc = BigInt.asUintN(64, this.pc + BigInt(decoded.bytes));
        this.#retireExecuting();
        return 1;
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
      this.#control.takeException(CAUSE.illegalInstruction, BigInt(this.#fetch.wordAtPc()));
      return 1;
    }
    if (write !== 0) this.#control.float.dirty();
    return 0;
  }

  // ----------------------------------------------------------------------------------------------- code page listener

  codePageAdded(linear: number): void {
    this.#control.tlb.forbidStores(linear);
  }

  codePagesDropped(): void {
    this.#control.tlb.flushAll();
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
      fenceVma: (address, asid) => control.tlb.fence(address, asid),
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
      lastExceptionAt: this.#lastExceptionAt,
      exceptionsInARow: this.#exceptionsInARow,
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
      readonly lastExceptionAt: number;
      readonly exceptionsInARow: number;
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
    this.#lastExceptionAt = s.lastExceptionAt;
    this.#exceptionsInARow = s.exceptionsInARow;
    this.#area.setWord('reservation', s.reservation);
    this.#area.setDouble('reservedValue', s.reservedValue);
    this.#control.restore(s.control);
  }
}

/** A hart on memory of `createPhysicalMemory`, reset at address 0. */
export function createHart(options: HartOptions): Hart {
  return new InterpretedHart(options);
}
