/**
 * Which memory accesses are allowed, written from the specification and nothing else: Sv39 as a walk over memory (with A
 * and D bits set by the hart, as Svadu has it), PMP as a comparison of every byte with every entry. No TLB, no shortcut.
 *
 * Sources: [Priv] "Virtual Address Translation Process", "Physical Memory Protection".
 */

export type AccessType = 'fetch' | 'load' | 'store';
export type Privilege = 0 | 1 | 3;

export interface Access {
  readonly type: AccessType;
  readonly address: bigint;
  readonly bytes: number;
  readonly privilege: Privilege;
  readonly sum: boolean;
  readonly mxr: boolean;
  /** Read and write in one. */
  readonly atomic?: boolean;
}

export interface PmpEntry {
  /** Byte of pmpcfg: R 0, W 1, X 2, A 4..3, L 7. */
  readonly cfg: number;
  /** pmpaddr: address bits 55..2. */
  readonly addr: bigint;
}

export interface ProtectionState {
  readonly satp: bigint;
  readonly pmp: readonly PmpEntry[];
  /** RAM, whose page tables get their A and D bits set; an access to anything else is an access fault. */
  readonly ramBase: bigint;
  readonly ram: Uint8Array;
}

/** Where the bytes of an access are, or the exception it raises. */
export type AccessOutcome =
  | { readonly allowed: true; readonly physical: readonly bigint[] }
  | { readonly allowed: false; readonly cause: number; readonly tval: bigint };

const ACCESS_FAULT: Readonly<Record<AccessType, number>> = { fetch: 1, load: 5, store: 7 };
const PAGE_FAULT: Readonly<Record<AccessType, number>> = { fetch: 12, load: 13, store: 15 };
const MODE_SV39 = 8n;
const PTE = { V: 1n, R: 2n, W: 4n, X: 8n, U: 16n, A: 64n, D: 128n, ppnShift: 10n } as const;
const PTE_RESERVED = 0xffc0_0000_0000_0000n;
const PAGE_BYTES = 4096n;
const PMP_A = { off: 0, tor: 1, na4: 2, napot: 3 } as const;
const PMP_LOCKED = 0x80;
const PMP_PERMISSION: Readonly<Record<AccessType, number>> = { load: 1, store: 2, fetch: 4 };

type Translated = { readonly physical: bigint } | { readonly cause: number };

/** Checks an access as a whole; bytes on different pages are translated apart, the lower page first. */
export function checkAccess(state: ProtectionState, access: Access): AccessOutcome {
  const physical: bigint[] = [];
  for (const part of pageParts(access)) {
    const translated = translate(state, access, part.address);
    if ('cause' in translated) return { allowed: false, cause: translated.cause, tval: part.address };
    const { type, privilege } = access;
    const cause = checkPhysical(state, type, privilege, translated.physical, part.bytes);
    if (cause !== undefined) return { allowed: false, cause, tval: part.address };
    for (let byte = 0; byte < part.bytes; byte += 1) physical.push(translated.physical + BigInt(byte));
  }
  return { allowed: true, physical };
}

function pageParts({ address, bytes }: Access): { address: bigint; bytes: number }[] {
  const toPageEnd = Number(PAGE_BYTES - (address % PAGE_BYTES));
  if (bytes <= toPageEnd) return [{ address, bytes }];
  return [
    { address, bytes: toPageEnd },
    { address: BigInt.asUintN(64, address + BigInt(toPageEnd)), bytes: bytes - toPageEnd },
  ];
}

function translate(state: ProtectionState, access: Access, address: bigint): Translated {
  if (access.privilege === 3 || state.satp >> 60n !== MODE_SV39) return { physical: address };
  const pageFault = { cause: PAGE_FAULT[access.type] };
  if (BigInt.asUintN(64, BigInt.asIntN(39, address)) !== address) return pageFault;
  let table = (state.satp & ((1n << 44n) - 1n)) * PAGE_BYTES;
  for (let level = 2n; level >= 0n; level -= 1n) {
    const pte = table + ((address >> (12n + 9n * level)) & 0x1ffn) * 8n;
    // "access-fault exception corresponding to the original access type": implicit reads are S-mode reads.
    if (checkPhysical(state, 'load', 1, pte, 8) !== undefined) return { cause: ACCESS_FAULT[access.type] };
    const entry = readRam(state, pte);
    if ((entry & PTE.V) === 0n || (entry & (PTE.R | PTE.W)) === PTE.W || (entry & PTE_RESERVED) !== 0n)
      return pageFault;
    const ppn = (entry >> PTE.ppnShift) & ((1n << 44n) - 1n);
    if ((entry & (PTE.R | PTE.X)) === 0n) {
      if ((entry & (PTE.A | PTE.D | PTE.U)) !== 0n) return pageFault;
      table = ppn * PAGE_BYTES;
      continue;
    }
    if (!leafAllows(entry, access) || ppn % (1n << (9n * level)) !== 0n) return pageFault;
    const updated = entry | PTE.A | (access.type === 'store' ? PTE.D : 0n);
    if (updated !== entry) {
      if (checkPhysical(state, 'store', 1, pte, 8) !== undefined) return { cause: ACCESS_FAULT[access.type] };
      writeRam(state, pte, updated);
    }
    return { physical: ppn * PAGE_BYTES + (address & ((1n << (12n + 9n * level)) - 1n)) };
  }
  return pageFault;
}

function leafAllows(entry: bigint, { type, privilege, sum, mxr }: Access): boolean {
  const isUserPage = (entry & PTE.U) !== 0n;
  if (privilege === 0 ? !isUserPage : isUserPage && (type === 'fetch' || !sum)) return false;
  const readable = (entry & PTE.R) !== 0n || (mxr && (entry & PTE.X) !== 0n);
  if (type === 'load' && !readable) return false;
  if (type === 'store' && (entry & PTE.W) === 0n) return false;
  return type !== 'fetch' || (entry & PTE.X) !== 0n;
}

/** Cause of the access fault, or undefined when PMP and the memory map allow the access. */
function checkPhysical(
  state: ProtectionState,
  type: AccessType,
  privilege: Privilege,
  address: bigint,
  bytes: number,
): number | undefined {
  const inRam = address >= state.ramBase && address + BigInt(bytes) <= state.ramBase + BigInt(state.ram.length);
  const allowed = inRam && pmpAllows(state.pmp, type, privilege, address, bytes);
  return allowed ? undefined : ACCESS_FAULT[type];
}

/** "The lowest-numbered PMP entry that matches any byte of an access determines whether that access succeeds." */
function pmpAllows(
  pmp: readonly PmpEntry[],
  type: AccessType,
  privilege: Privilege,
  address: bigint,
  bytes: number,
): boolean {
  for (const [index, { cfg }] of pmp.entries()) {
    let matching = 0;
    for (let byte = 0; byte < bytes; byte += 1) if (entryMatches(pmp, index, address + BigInt(byte))) matching += 1;
    if (matching === 0) continue;
    if (matching < bytes) return false;
    if (privilege === 3 && (cfg & PMP_LOCKED) === 0) return true;
    return (cfg & PMP_PERMISSION[type]) !== 0;
  }
  return privilege === 3;
}

function entryMatches(pmp: readonly PmpEntry[], index: number, byte: bigint): boolean {
  const { cfg, addr } = pmp[index] as PmpEntry;
  switch ((cfg >> 3) & 3) {
    case PMP_A.tor: {
      const bottom = index === 0 ? 0n : (pmp[index - 1] as PmpEntry).addr;
      return byte >= bottom << 2n && byte < addr << 2n;
    }
    case PMP_A.na4:
      return byte >> 2n === addr;
    case PMP_A.napot: {
      // The trailing ones and the zero above them are not compared.
      const ignored = addr ^ (addr + 1n);
      return ((byte >> 2n) | ignored) === (addr | ignored);
    }
    default:
      return false;
  }
}

const ramView = ({ ram }: ProtectionState): DataView => new DataView(ram.buffer, ram.byteOffset, ram.byteLength);

function readRam(state: ProtectionState, physical: bigint): bigint {
  return ramView(state).getBigUint64(Number(physical - state.ramBase), true);
}

function writeRam(state: ProtectionState, physical: bigint, value: bigint): void {
  ramView(state).setBigUint64(Number(physical - state.ramBase), value, true);
}
