/**
 * The CSRs of a hart, one row each. Privilege and read-only-ness are in the address ([Priv] "CSR Address Mapping
 * Conventions"); a row says what a read gives, what a write does (WARL rules included), and when access is refused.
 */
import type { Counters } from './counters.ts';
import type { FloatState } from './float-state.ts';
import type { CsrRegister } from './layout.ts';
import { MSTATUS, MSTATUS_WRITABLE, mstatusValue, SSTATUS_WRITABLE, sstatusValue, writeMstatus } from './mstatus.ts';
import { PMP_ENTRIES } from './pmp.ts';
import type { PmpUnit } from './pmp-unit.ts';
import { INTERRUPT } from './trap-cause.ts';

/** What CSR rows act on. */
export interface CsrTarget {
  readonly hartId: number;
  readonly privilege: number;
  readonly time: bigint;
  /** Time spent in WFIs since reset, in ns. */
  readonly waitedNs: bigint;
  readonly counters: Pick<Counters, 'read' | 'write' | 'inhibited'>;
  readonly pmp: Pick<PmpUnit, 'config' | 'setConfig' | 'address' | 'setAddress'>;
  readonly float: Pick<FloatState, 'fflags' | 'frm'>;
  /** Low word. */
  mstatus: number;
  /** Bits of mip that software holds; wires and the timer come on top. */
  softwareInterrupts: number;
  /** mip as read: software bits, wires, and Sstc's comparison. */
  pendingInterrupts(): number;
  /** Registers that hold what was written, legalised by the row. */
  register(name: CsrRegister): bigint;
  setRegister(name: CsrRegister, value: bigint): void;
  /** Side effects. */
  translationChanged(): void;
  interruptsChanged(): void;
  timerChanged(): void;
}

export interface CsrRow {
  readonly name: string;
  readonly address: number;
  read(t: CsrTarget): bigint;
  /** Absent: writes change nothing. */
  readonly write?: (t: CsrTarget, value: bigint) => void;
  /** What set and clear instructions start from, where it is not what a read gives. */
  readonly readForModify?: (t: CsrTarget) => bigint;
  /** Whether an access from the present privilege is legal, beyond what the address says. */
  readonly permits?: (t: CsrTarget) => boolean;
}

const STCE = 1n << 63n;
const FIOM = 1n;
const COUNTERS = 7n; // CY, TM, IR
const TM = 2n;
/** What mhpmcounter3 counts; events are the platform's own. */
const EVENT_WAITING = 1n;
const MODE_SV39 = 8n;
const SATP_MODE_SHIFT = 60n;
/** ASID (ASIDLEN is 16) and PPN. */
const SATP_ASID_PPN = (1n << SATP_MODE_SHIFT) - 1n;
export const satpIsSv39 = (satp: bigint): boolean => satp >> SATP_MODE_SHIFT === MODE_SV39;

const bit = (n: number): number => 1 << n;
const DELEGABLE_INTERRUPTS = BigInt(bit(INTERRUPT.SSI) | bit(INTERRUPT.STI) | bit(INTERRUPT.SEI));
const ALL_INTERRUPTS = DELEGABLE_INTERRUPTS | BigInt(bit(INTERRUPT.MSI) | bit(INTERRUPT.MTI) | bit(INTERRUPT.MEI));
/** All but ecall from M-mode and the reserved ones. */
const DELEGABLE_EXCEPTIONS = 0xb3ffn;

export const stceEnabled = (t: Pick<CsrTarget, 'register'>): boolean => (t.register('menvcfg') & STCE) !== 0n;

/** A register without side effects; `legal` maps what is written to what is kept. */
const plain = (
  name: CsrRegister,
  address: number,
  legal: (value: bigint, old: bigint) => bigint = (v) => v,
  effect?: (t: CsrTarget) => void,
): CsrRow => ({
  name,
  address,
  read: (t) => t.register(name),
  write: (t, value) => {
    t.setRegister(name, legal(value, t.register(name)));
    effect?.(t);
  },
});
const constant = (name: string, address: number, value: bigint | ((t: CsrTarget) => bigint)): CsrRow => ({
  name,
  address,
  read: typeof value === 'function' ? value : () => value,
});
const masked =
  (mask: bigint) =>
  (value: bigint): bigint =>
    value & mask;
/** Mode direct or vectored, base aligned to four bytes. */
const trapVector = (value: bigint): bigint => value & ~2n;
/** IALIGN is 16. */
const instructionAddress = (value: bigint): bigint => value & ~1n;
const interruptsChanged = (t: CsrTarget): void => t.interruptsChanged();
/** "If satp is written with an unsupported MODE, the entire write has no effect". */
const satp = (value: bigint, old: bigint): bigint => {
  const mode = value >> SATP_MODE_SHIFT;
  return mode === 0n || mode === MODE_SV39 ? (mode << SATP_MODE_SHIFT) | (value & SATP_ASID_PPN) : old;
};
const satpPermitted = (t: CsrTarget): boolean => t.privilege === 3 || (t.mstatus & MSTATUS.TVM) === 0;

/** Counters below M-mode need their bit in mcounteren, below S-mode also in scounteren. */
const counterPermitted =
  (bitNumber: number) =>
  (t: CsrTarget): boolean =>
    t.privilege === 3 ||
    (((t.register('mcounteren') >> BigInt(bitNumber)) & 1n) === 1n &&
      (t.privilege === 1 || ((t.register('scounteren') >> BigInt(bitNumber)) & 1n) === 1n));

const floatPermitted = (t: CsrTarget): boolean => (t.mstatus & MSTATUS.FS) !== 0;

const FLOAT: readonly CsrRow[] = [
  {
    name: 'fflags',
    address: 0x001,
    read: (t) => BigInt(t.float.fflags),
    write: (t, v) => {
      t.float.fflags = Number(v & 0x1fn);
    },
    permits: floatPermitted,
  },
  {
    name: 'frm',
    address: 0x002,
    read: (t) => BigInt(t.float.frm),
    write: (t, v) => {
      t.float.frm = Number(v & 7n);
    },
    permits: floatPermitted,
  },
  {
    name: 'fcsr',
    address: 0x003,
    read: (t) => BigInt((t.float.frm << 5) | t.float.fflags),
    write: (t, v) => {
      t.float.fflags = Number(v & 0x1fn);
      t.float.frm = Number((v >> 5n) & 7n);
    },
    permits: floatPermitted,
  },
];

const SUPERVISOR: readonly CsrRow[] = [
  {
    name: 'sstatus',
    address: 0x100,
    read: (t) => sstatusValue(t.mstatus),
    write: (t, v) => writeStatus(t, v, SSTATUS_WRITABLE),
  },
  {
    name: 'sie',
    address: 0x104,
    read: (t) => t.register('mie') & t.register('mideleg'),
    write: (t, v) => {
      const mideleg = t.register('mideleg');
      t.setRegister('mie', (t.register('mie') & ~mideleg) | (v & mideleg));
      t.interruptsChanged();
    },
  },
  plain('stvec', 0x105, trapVector),
  plain('scounteren', 0x106, masked(COUNTERS)),
  plain('senvcfg', 0x10a, masked(FIOM)),
  plain('sscratch', 0x140),
  plain('sepc', 0x141, instructionAddress),
  plain('scause', 0x142),
  plain('stval', 0x143),
  {
    name: 'sip',
    address: 0x144,
    read: (t) => BigInt(t.pendingInterrupts()) & t.register('mideleg'),
    write: (t, v) => {
      // Only SSIP is writable from S-mode, and only when delegated.
      const writable = bit(INTERRUPT.SSI) & Number(t.register('mideleg'));
      t.softwareInterrupts = (t.softwareInterrupts & ~writable) | (Number(v & 0xffffn) & writable);
      t.interruptsChanged();
    },
  },
  {
    ...plain('stimecmp', 0x14d, undefined, (t) => t.timerChanged()),
    // "when STCE is zero, an attempt to access stimecmp ... in a mode other than M-mode raises an illegal-instruction"
    permits: (t) => t.privilege === 3 || (stceEnabled(t) && (t.register('mcounteren') & TM) !== 0n),
  },
  { ...plain('satp', 0x180, satp, (t) => t.translationChanged()), permits: satpPermitted },
];

const MACHINE: readonly CsrRow[] = [
  constant('mvendorid', 0xf11, 0n),
  constant('marchid', 0xf12, 0n),
  constant('mimpid', 0xf13, 0n),
  constant('mhartid', 0xf14, (t) => BigInt(t.hartId)),
  constant('mconfigptr', 0xf15, 0n),
  {
    name: 'mstatus',
    address: 0x300,
    read: (t) => mstatusValue(t.mstatus),
    write: (t, v) => writeStatus(t, v, MSTATUS_WRITABLE),
  },
  // MXL = 2, extensions A C D F I M S U.
  constant('misa', 0x301, (2n << 62n) | BigInt([...'ACDFIMSU'].reduce((m, c) => m | (1 << (c.charCodeAt(0) - 65)), 0))),
  plain('medeleg', 0x302, masked(DELEGABLE_EXCEPTIONS)),
  plain('mideleg', 0x303, masked(DELEGABLE_INTERRUPTS), interruptsChanged),
  plain('mie', 0x304, masked(ALL_INTERRUPTS), interruptsChanged),
  plain('mtvec', 0x305, trapVector),
  plain('mcounteren', 0x306, masked(COUNTERS)),
  plain('menvcfg', 0x30a, masked(STCE | FIOM), (t) => t.timerChanged()),
  {
    name: 'mcountinhibit',
    address: 0x320,
    read: (t) => t.counters.inhibited,
    write: (t, v) => {
      t.counters.inhibited = v;
    },
  },
  plain('mscratch', 0x340),
  plain('mepc', 0x341, instructionAddress),
  plain('mcause', 0x342),
  plain('mtval', 0x343),
  {
    name: 'mip',
    address: 0x344,
    read: (t) => BigInt(t.pendingInterrupts()),
    // "the value of rs1 is ... combined with the software-writable bit, not with the interrupt signal"
    readForModify: (t) => BigInt(t.softwareInterrupts),
    write: (t, v) => {
      const writable = bit(INTERRUPT.SSI) | bit(INTERRUPT.SEI) | (stceEnabled(t) ? 0 : bit(INTERRUPT.STI));
      t.softwareInterrupts = (t.softwareInterrupts & ~writable) | (Number(v & 0xffffn) & writable);
      t.interruptsChanged();
    },
  },
  // No triggers: tselect is hard-wired, tdata1 says type 0.
  constant('tselect', 0x7a0, 0n),
  constant('tdata1', 0x7a1, 0n),
  constant('tdata2', 0x7a2, 0n),
  constant('tdata3', 0x7a3, 0n),
];

function writeStatus(t: CsrTarget, value: bigint, mask: number): void {
  t.mstatus = writeMstatus(t.mstatus, Number(BigInt.asIntN(32, value)), mask);
}

const PMP: readonly CsrRow[] = [
  // On RV64 the even pmpcfg registers hold eight entries each; the odd ones do not exist.
  ...[0, 2].map(
    (n): CsrRow => ({
      name: `pmpcfg${n}`,
      address: 0x3a0 + n,
      read: (t) => {
        let value = 0n;
        for (let i = 7; i >= 0; i--) value = (value << 8n) | BigInt(t.pmp.config(n * 4 + i));
        return value;
      },
      write: (t, v) => {
        for (let i = 0; i < 8; i++) t.pmp.setConfig(n * 4 + i, Number((v >> BigInt(i * 8)) & 0xffn));
      },
    }),
  ),
  ...Array.from(
    { length: PMP_ENTRIES },
    (_, i): CsrRow => ({
      name: `pmpaddr${i}`,
      address: 0x3b0 + i,
      read: (t) => t.pmp.address(i),
      write: (t, v) => t.pmp.setAddress(i, v),
    }),
  ),
];

const COUNTER_ROWS: readonly CsrRow[] = [
  ...(['cycle', 'instret'] as const).flatMap((name): readonly CsrRow[] => {
    const index = name === 'cycle' ? 0 : 2;
    return [
      { name, address: 0xc00 + index, read: (t) => t.counters.read(name), permits: counterPermitted(index) },
      {
        name: `m${name}`,
        address: 0xb00 + index,
        read: (t) => t.counters.read(name),
        write: (t, v) => t.counters.write(name, v),
      },
    ];
  }),
  { name: 'time', address: 0xc01, read: (t) => t.time, permits: counterPermitted(1) },
  // One counter more, of time spent in WFIs: the cycles of the data sheet's hart in which mcycle stands still.
  { name: 'hpmcounter3', address: 0xc03, read: (t) => t.waitedNs, permits: counterPermitted(3) },
  constant('mhpmcounter3', 0xb03, (t) => t.waitedNs),
  constant('mhpmevent3', 0x323, EVENT_WAITING),
  ...Array.from({ length: 28 }, (_, i) => i + 4).flatMap((n): readonly CsrRow[] => [
    { name: `hpmcounter${n}`, address: 0xc00 + n, read: () => 0n, permits: counterPermitted(n) },
    constant(`mhpmcounter${n}`, 0xb00 + n, 0n),
    constant(`mhpmevent${n}`, 0x320 + n, 0n),
  ]),
];

export const CSRS: readonly CsrRow[] = [...FLOAT, ...SUPERVISOR, ...MACHINE, ...PMP, ...COUNTER_ROWS];

export const CSR_BY_ADDRESS: ReadonlyMap<number, CsrRow> = new Map(CSRS.map((row) => [row.address, row]));

/** Lowest privilege that may access: bits 9..8. */
export const csrPrivilege = (address: number): number => (address >> 8) & 3;
/** Bits 11..10 both set. */
export const csrReadOnly = (address: number): boolean => address >> 10 === 3;
