/**
 * Where things lie in the one `WebAssembly.Memory` of a machine: areas of the harts, predecoded code, guest RAM.
 *
 *   0                  hart areas, one per hart: state, TLB contexts
 *   PAGE_RECORDS       i32 per RAM page: address of its predecoded records, 0 when none
 *   pool               predecoded records of pages that were executed
 *   ramOffset          guest RAM
 */

export const PAGE_BYTES = 4096;
export const PAGE_SHIFT = 12;
export const HARTS_MAX = 4;

// ------------------------------------------------------------------------------------------------------ hart area

/** Offsets in a hart's area. */
export const STATE = {
  /** x0..x31, then the slot that swallows writes to x0. */
  x: 0x000,
  /** Raw f registers. */
  f: 0x110,
  /** Address of the next (in callbacks: of the executing) instruction. */
  pc: 0x210,
  /** i32: instructions left of the present slice, the executing one included. */
  budget: 0x218,
  /** i32: addresses of the TLB banks in use for data and for fetches. */
  dataBank: 0x220,
  fetchBank: 0x224,
  /** i32 truth values derived from mstatus.FS, frm and fflags. */
  floatOn: 0x228,
  floatDirty: 0x22c,
  /** i32: NX accrued, and the same with rounding to nearest even, whatever FS. */
  accruedInexact: 0x2a8,
  accruedInexactNearest: 0x2ac,
  /** FS dirty, rounding to nearest even, NX accrued. */
  inexactSilently: 0x230,
  /** FS dirty, NX accrued. */
  inexactAccrued: 0x234,
  /** Value of a load or store that goes over the slow path. */
  value: 0x238,
  /** i32: set by a slow path that ended in a trap. */
  trapped: 0x240,
  /** Reservation of LR: address in linear memory (0: none) and the value seen. */
  reservation: 0x244,
  reservedValue: 0x248,
  /** Address translation: i32 truth of Sv39, address of the root table, MXR. */
  sv39: 0x250,
  mxr: 0x254,
  rootTable: 0x258,
  /** Result of the last walk: physical address, permissions (TLB_PERMISSION). */
  walkAddress: 0x260,
  walkPermissions: 0x268,
  /** Virtual address of the last slow access. */
  accessAddress: 0x270,
  /** i32: address of the TLB context in use (TLB_CONTEXT). */
  tlbContext: 0x278,
  /** i32: records of the page of the last slow store, 0 when it holds no code. */
  codeRecords: 0x280,
  /** i32: record of the instruction to execute when its page has a PMP boundary, 0 when records of the page will do. */
  checkedRecord: 0x284,
  /** i32: low word of mstatus; privilege; mip & mie as last looked at. */
  mstatus: 0x288,
  privilege: 0x28c,
  interruptsPending: 0x290,
  /** i32: a region was left at an instruction that the interpreter must execute itself. */
  stepNext: 0x298,
  /**
   * Where the interpreter takes more time than it need: i32 budget and u64 address at which a region was left last (plus
   * STEPPED when the interpreter had to execute that instruction itself; 0: in another slice), i32 instructions
   * interpreted between regions since `missedEntry` was set, u64 such an address; 0 when that was looked at.
   */
  leftBudget: 0x29c,
  leftAt: 0x2b0,
  interpreted: 0x2bc,
  missedEntry: 0x2c0,
  /** u64: instructions that regions have executed. */
  translated: 0x2a0,
  /** i32: accrued exceptions; written by way of FloatState, but where nothing derived from them changes. */
  fflags: 0x2b8,
  /** Flattened PMP: the intervals, the last one ends with the address space. */
  pmp: 0x300,
  /** u64 each: CSRs that are nothing but registers, in the order of CSR_REGISTERS. */
  csrs: 0x520,
} as const;

/** In `STATE.leftAt`: the region was left for an instruction that is not for regions. */
export const STEPPED = 1;

export const CSR_REGISTERS = [
  'medeleg',
  'mideleg',
  'mie',
  'mtvec',
  'mcounteren',
  'menvcfg',
  'mscratch',
  'mepc',
  'mcause',
  'mtval',
  'stvec',
  'scounteren',
  'senvcfg',
  'sscratch',
  'sepc',
  'scause',
  'stval',
  'stimecmp',
  'satp',
] as const;
export type CsrRegister = (typeof CSR_REGISTERS)[number];
/** Offset of a register in a hart's area. */
export const csrOffset = (name: CsrRegister): number => STATE.csrs + CSR_REGISTERS.indexOf(name) * 8;

/** One PMP interval: last address of it (u64; it begins after the one before), permissions. */
export const PMP_INTERVAL_BYTES = 16;
export const PMP_INTERVAL = { last: 0, permissions: 8 } as const;
/** 16 entries cut the address space into at most 33 intervals. */
export const PMP_INTERVALS_MAX = 33;
/** Permission bits: load, store, fetch for S and U mode, and the same for M mode three bits up. */
export const PERMISSION = { load: 1, store: 2, fetch: 4 } as const;
export const PERMISSION_MACHINE_SHIFT = 3;

export const SINK_REGISTER = 32;

// ------------------------------------------------------------------------------------------------------------ TLBs

/** Of a bank. With 1024 three fifths of the fills of a boot put out a valid entry of another page. */
export const TLB_ENTRIES = 4096;

/** A bank per class of access, so that SUM toggles and system calls flush nothing. */
export const TLB_CLASS = { user: 0, supervisor: 1, supervisorUserMemory: 2, machine: 3 } as const;
export type TlbClass = (typeof TLB_CLASS)[keyof typeof TLB_CLASS];
export const TLB_CLASSES = 4;

/**
 * Entry of a data bank: addresses of the byte before the page that loads and stores may use, where that byte is in linear
 * memory, and i32 whether the fill log has the entry. With the byte before, `tag - address` tells by one comparison whether
 * an access lies in the page; V8 loads the subtrahend of `address - tag` twice.
 */
export const DATA_ENTRY = { loadTag: 0, storeTag: 8, memory: 16, logged: 20 } as const;
export const DATA_ENTRY_SHIFT = 5;
/** Entry of a fetch bank. */
export const FETCH_ENTRY = { tag: 0, records: 8, logged: 12 } as const;
export const FETCH_ENTRY_SHIFT = 4;

export const DATA_BANK_BYTES = TLB_ENTRIES << DATA_ENTRY_SHIFT;
export const FETCH_BANK_BYTES = TLB_ENTRIES << FETCH_ENTRY_SHIFT;

/** A log has room for every entry of its banks. */
const FILL_LOG_BYTES = TLB_CLASSES * TLB_ENTRIES * 4;
/**
 * Stretches of 2 MiB, by address bits 31 to 21, of the lower and the upper half of the address space; those of 1 GiB share
 * the marks, by bits 40 to 30.
 */
export const SUPERPAGE_MARKS_PER_HALF = 2048;
const SUPERPAGE_MARKS_BYTES = 2 * SUPERPAGE_MARKS_PER_HALF;
const CONTEXT_HEAD_BYTES = 0x40;
const DATA_LOG = CONTEXT_HEAD_BYTES + SUPERPAGE_MARKS_BYTES;
const DATA_BANKS = DATA_LOG + 2 * FILL_LOG_BYTES;
const FETCH_BANKS = DATA_BANKS + TLB_CLASSES * DATA_BANK_BYTES;

/** What was translated with one content of satp and of the PMP. */
export const TLB_CONTEXT = {
  /** i32: entries in each fill log. */
  dataLogCount: 0x00,
  fetchLogCount: 0x04,
  /** u8 each: a superpage there was translated. */
  superpages: CONTEXT_HEAD_BYTES,
  /** Addresses of the entries filled since the last flush; a flush visits those only. */
  dataLog: DATA_LOG,
  fetchLog: DATA_LOG + FILL_LOG_BYTES,
  dataBanks: DATA_BANKS,
  fetchBanks: FETCH_BANKS,
  bytes: FETCH_BANKS + TLB_CLASSES * FETCH_BANK_BYTES,
} as const;
/** Where a context has the banks of a class. */
export const dataBankOffset = (tlbClass: number): number => TLB_CONTEXT.dataBanks + tlbClass * DATA_BANK_BYTES;
export const fetchBankOffset = (tlbClass: number): number => TLB_CONTEXT.fetchBanks + tlbClass * FETCH_BANK_BYTES;
/** Contexts a hart keeps; the one that was not used for longest goes first. */
export const TLB_CONTEXTS = 16;

const TLB_CONTEXTS_OFFSET = 0x2000;
export const AREA = {
  state: 0,
  /** Room for the record of one instruction that was checked by itself, and records that end it. */
  checkedRecords: 0x1000,
  tlbContexts: TLB_CONTEXTS_OFFSET,
  bytes: TLB_CONTEXTS_OFFSET + TLB_CONTEXTS * TLB_CONTEXT.bytes,
} as const;

/** A tag no access can match: an address of that page has another index. Of a data bank: the byte before that page. */
export const invalidTag = (index: number): number => ((index ^ 1) << PAGE_SHIFT) >>> 0;

// ------------------------------------------------------------------------------------------------ predecoded code

/** A record: op, rs1 * 8, rd * 8, rs2 * 8, imm. rd is a u16 where there is no rs2. */
export const RECORD = { op: 0, rs1: 1, rd: 2, rs2: 3, imm: 4 } as const;
export const RECORD_BYTES = 8;
export const RECORDS_PER_PAGE = PAGE_BYTES / 2;

/** What follows the records of a page. */
export const PAGE_FOOTER = {
  /** Record that leaves the page. */
  end: RECORDS_PER_PAGE * RECORD_BYTES,
  /** Record of the instruction that begins in the last halfword of this page and ends in another one. */
  crossing: (RECORDS_PER_PAGE + 2) * RECORD_BYTES,
  /** Record that leaves the page after it. */
  crossingEnd: (RECORDS_PER_PAGE + 4) * RECORD_BYTES,
  /** i32: address of the page in linear memory. */
  page: (RECORDS_PER_PAGE + 5) * RECORD_BYTES,
  /** i32: stores to the page since it got its records. */
  stores: (RECORDS_PER_PAGE + 5) * RECORD_BYTES + 4,
  /** i32: second half of the crossing instruction that is decoded, with CROSSING_DECODED set. */
  crossingHalf: (RECORDS_PER_PAGE + 6) * RECORD_BYTES,
  /** i32: regions that hold code of this page. */
  regions: (RECORDS_PER_PAGE + 6) * RECORD_BYTES + 4,
  /** i32 per halfword: where a region begins (ENTRY), 0 elsewhere. */
  entries: (RECORDS_PER_PAGE + 8) * RECORD_BYTES,
} as const;
export const CROSSING_DECODED = 0x1_0000;
export const PAGE_RECORDS_BYTES = (RECORDS_PER_PAGE + 8) * RECORD_BYTES + RECORDS_PER_PAGE * 4;
/** An entry word: the op that the record has without it, the region's place in the table, and which of its entries. */
export const ENTRY = { regionShift: 8, indexShift: 20, regionsMax: 4096, indexMax: 4096 } as const;
/** A page written this often is taken for data: its records are given up. */
export const STORES_TO_CODE_PAGE_MAX = 64;
