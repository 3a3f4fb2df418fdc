/**
 * Random page tables, PMP entries and privileges: every access of the hart is allowed, lands and faults as the model
 * says. Nothing is fenced between accesses unless something changed, so that what the TLB keeps is under test too.
 */
import { describe, expect, test } from 'vitest';
import type { Hart } from '../../../src/machine/hart-contract.ts';
import { type Access, type AccessType, checkAccess, type Privilege, type ProtectionState } from './access-model.ts';
import { type Bench, beginRound, changeProtection, createBench, readPmp } from './protection-bench.ts';
import {
  ADDRESS_REGISTER,
  C_EBREAK,
  CSR,
  codeAddress,
  EBREAK,
  FIRST_DATA_PAGE,
  INDEXES,
  MEMORY_INSTRUCTIONS,
  type MemoryInstruction,
  MSTATUS,
  PAGE_BYTES,
  RAM_BASE,
  RAM_PAGES,
  RESULT_REGISTER,
  VALUE_REGISTER,
} from './protection-layout.ts';
import { type RandomSource, randomSource } from './random-source.ts';

/** HART_PROTECTION_SEEDS asks for more. */
const SEEDS = Number(process.env['HART_PROTECTION_SEEDS'] ?? 4);
const ROUNDS = 30;
const ACCESSES = 120;
const RECENT_PAGES_MAX = 4;
const CAUSE_BREAKPOINT = 3n;

/** What makes accesses meet what the TLB kept: pages they come back to, and modes that seldom change. */
class Locality {
  readonly #pages = { physical: [] as bigint[], virtual: [] as bigint[] };
  #modes: Pick<Access, 'privilege' | 'sum' | 'mxr'> = { privilege: 1, sum: false, mxr: false };

  modes(random: RandomSource): Pick<Access, 'privilege' | 'sum' | 'mxr'> {
    const { sum, mxr } = this.#modes;
    if (random.below(20) === 0) this.#modes = { ...this.#modes, mxr: !mxr };
    if (random.below(8) === 0) this.#modes = { ...this.#modes, sum: !sum };
    if (random.below(5) === 0) this.#modes = { ...this.#modes, privilege: random.pick<Privilege>([0, 0, 1, 1, 1, 3]) };
    return this.#modes;
  }

  /** A page drawn before, or a new one. */
  page(translated: boolean, random: RandomSource): bigint {
    const pages = this.#pages[translated ? 'virtual' : 'physical'];
    if (pages.length > 0 && random.below(6) > 0) return random.pick(pages);
    if (pages.length === RECENT_PAGES_MAX) pages.shift();
    const page = translated ? randomVirtualPage(random) : BigInt(RAM_BASE + random.below(RAM_PAGES + 1) * PAGE_BYTES);
    pages.push(page);
    return page;
  }

  /** Forgets the newest page, where nothing can be accessed. */
  forgetNewest(): void {
    this.#pages.virtual.pop();
  }
}

function randomVirtualPage(random: RandomSource): bigint {
  const [vpn2, vpn1, vpn0] = [random.pick(INDEXES), random.pick(INDEXES), random.pick([...INDEXES, 0, 1, 9])];
  const address = (BigInt(vpn2) << 30n) | (BigInt(vpn1) << 21n) | (BigInt(vpn0) << 12n);
  const isCanonical = random.below(30) !== 0;
  return isCanonical ? BigInt.asUintN(64, BigInt.asIntN(39, address)) : address | (1n << BigInt(39 + random.below(25)));
}

function randomOffset(bytes: number, aligned: boolean, random: RandomSource): bigint {
  const crossing = !aligned && random.below(6) === 0;
  return BigInt(crossing ? PAGE_BYTES - 1 - random.below(bytes) : random.below(PAGE_BYTES / bytes) * bytes);
}

function mstatusOf({ privilege, sum, mxr }: Access, mprv: boolean): bigint {
  return (
    (BigInt(privilege) << MSTATUS.mppShift) |
    (mprv ? MSTATUS.mprv : 0n) |
    (sum ? MSTATUS.sum : 0n) |
    (mxr ? MSTATUS.mxr : 0n)
  );
}

/** Undefined when the hart did as the model says. */
function tryDataAccess(bench: Bench, random: RandomSource, locality: Locality): string | undefined {
  const { hart, state } = bench;
  const index = random.below(MEMORY_INSTRUCTIONS.length);
  const instruction = MEMORY_INSTRUCTIONS[index] as MemoryInstruction;
  const { type, bytes, atomic = false } = instruction;
  const drawn = randomAccess(type, bytes, state.satp !== 0n, atomic || hasSmallRanges(state), random, locality);
  const access = { ...drawn, atomic };
  const undo = state.ram.slice();
  const expected = checkAccess(state, access);
  if (!expected.allowed && random.below(3) > 0) locality.forgetNewest();
  if (expected.allowed && type === 'store' && isKept(state, expected.physical)) {
    state.ram.set(undo);
    return undefined;
  }
  const value = random.integerPattern();
  hart.state.setX(ADDRESS_REGISTER, access.address);
  hart.state.setX(VALUE_REGISTER, value);
  hart.state.setX(RESULT_REGISTER, UNTOUCHED);
  hart.state.setCsr(CSR.mstatus, mstatusOf(access, true));
  hart.pc = BigInt(codeAddress(index));
  hart.run(1);
  const found = `${outcome(hart, access)}, ${hart.state.x(RESULT_REGISTER).toString(16)}`;
  if (!expected.allowed) {
    if (isMisalignedInstead(access, expected.cause, found)) return undefined;
    return mismatch(access, `${describeFault(expected)}, ${UNTOUCHED.toString(16)}`, found);
  }
  const held = readBytes(state, expected.physical);
  const result = type === 'load' || atomic ? extend(held, instruction) : UNTOUCHED;
  if (type === 'store') writeBytes(state, expected.physical, atomic ? held + value : value);
  return mismatch(access, `no trap, ${result.toString(16)}`, found);
}

const UNTOUCHED = 0x5eed_5eed_5eedn;

const describeFault = ({ cause, tval }: { readonly cause: number; readonly tval: bigint }): string =>
  `cause ${cause} tval ${tval.toString(16)}`;

const extend = (value: bigint, { bytes, signed }: MemoryInstruction): bigint =>
  signed ? BigInt.asUintN(64, BigInt.asIntN(8 * bytes, value)) : value;

function readBytes(state: ProtectionState, physical: readonly bigint[]): bigint {
  const byteAt = (address: bigint): bigint => BigInt(state.ram[Number(address - state.ramBase)] as number);
  return physical.reduce((sum, address, byte) => sum | (byteAt(address) << BigInt(8 * byte)), 0n);
}

function writeBytes(state: ProtectionState, physical: readonly bigint[], value: bigint): void {
  for (const [byte, address] of physical.entries()) {
    state.ram[Number(address - state.ramBase)] = Number((value >> BigInt(8 * byte)) & 0xffn);
  }
}

/** A misaligned access that touches two PMP entries may be split into smaller ones or not. */
const hasSmallRanges = ({ pmp }: ProtectionState): boolean =>
  pmp.some(({ cfg, addr }, index) => {
    const isInPage = addr % 1024n !== 0n || (pmp[index - 1]?.addr ?? 0n) % 1024n !== 0n;
    const isLessThanPage = (addr & 0x1ffn) !== 0x1ffn;
    return [false, isInPage, true, isLessThanPage][(cfg >> 3) & 3];
  });

/** A misaligned access to what is no RAM may raise the one exception or the other. */
const isMisalignedInstead = ({ address, bytes, type }: Access, cause: number, found: string): boolean =>
  address % BigInt(bytes) !== 0n &&
  cause === (type === 'load' ? 5 : 7) &&
  found.startsWith(`cause ${type === 'load' ? 4 : 6} `);

/** Jumps to an address where the model expects an ebreak, or a fault. */
function tryFetch(bench: Bench, random: RandomSource, locality: Locality): string | undefined {
  const { hart, state } = bench;
  const drawn = randomAccess('fetch', 2, state.satp !== 0n, true, random, locality);
  const atPageEnd = random.below(3) === 0;
  const access = atPageEnd ? { ...drawn, address: drawn.address | BigInt(PAGE_BYTES - 2), bytes: 4 } : drawn;
  const undo = state.ram.slice();
  const firstHalf = checkAccess(state, { ...access, bytes: 2 });
  const expected = checkAccess(state, access);
  if (firstHalf.allowed) {
    const physical = expected.allowed ? expected.physical : firstHalf.physical;
    const code =
      BigInt(expected.allowed && !atPageEnd ? C_EBREAK : EBREAK) & ((1n << BigInt(8 * physical.length)) - 1n);
    if (readBytes(state, physical) !== code) {
      state.ram.set(undo);
      return undefined;
    }
  }
  hart.state.setCsr(CSR.mstatus, mstatusOf(access, false));
  hart.state.setCsr(CSR.mepc, access.address);
  hart.mret();
  hart.run(1);
  const found = outcome(hart, access);
  if (expected.allowed) return mismatch(access, `cause ${CAUSE_BREAKPOINT}`, found.split(' tval')[0] as string);
  return mismatch(access, describeFault(expected), found);
}

function randomAccess(
  type: AccessType,
  bytes: number,
  translated: boolean,
  aligned: boolean,
  random: RandomSource,
  locality: Locality,
): Access {
  const modes = locality.modes(random);
  const page = locality.page(translated && modes.privilege !== 3, random);
  return { type, bytes, address: page | randomOffset(bytes, aligned, random), ...modes };
}

/** Code and page tables are not to be overwritten. */
const isKept = (state: ProtectionState, physical: readonly bigint[]): boolean =>
  physical.some((address) => address < state.ramBase + BigInt(FIRST_DATA_PAGE * PAGE_BYTES));

function outcome(hart: Hart, access: Access): string {
  const handled = hart.pc === BigInt(RAM_BASE + 4);
  if (!handled) return 'no trap';
  const mtval = BigInt.asUintN(64, hart.state.csr(CSR.mtval));
  const mepc = BigInt.asUintN(64, hart.state.csr(CSR.mepc));
  const at = access.type !== 'fetch' || mepc === access.address ? '' : ` mepc ${mepc.toString(16)}`;
  return `cause ${hart.state.csr(CSR.mcause)} tval ${mtval.toString(16)}${at}`;
}

function mismatch(access: Access, expected: string, found: string): string | undefined {
  if (expected === found) return undefined;
  const { type, bytes, address, privilege, sum, mxr } = access;
  return `${type} of ${bytes} at ${address.toString(16)}, privilege ${privilege}, SUM ${sum}, MXR ${mxr}: expected ${expected}, found ${found}`;
}

describe('memory protection', () => {
  const bench = createBench();
  test.each(Array.from({ length: SEEDS }, (_, index) => index + 1))(
    'every access does what the model says, seed %i',
    (seed) => {
      const random = randomSource(seed);
      let tried = 0;
      for (let round = 0; round < ROUNDS; round += 1) {
        beginRound(bench, random);
        expect(readPmp(bench.hart)).toEqual(bench.state.pmp);
        const locality = new Locality();
        const wrong: string[] = [];
        for (let access = 0; access < ACCESSES; access += 1) {
          if (random.below(16) === 0) {
            changeProtection(bench, random);
            expect(readPmp(bench.hart)).toEqual(bench.state.pmp);
          }
          const difference =
            random.below(4) === 0 ? tryFetch(bench, random, locality) : tryDataAccess(bench, random, locality);
          if (difference !== undefined) wrong.push(`round ${round}: ${difference}`);
          tried += 1;
        }
        expect(wrong).toEqual([]);
        const held = bench.memory.view(RAM_BASE, bench.state.ram.length);
        expect(Buffer.compare(held, bench.state.ram), `round ${round}: RAM`).toBe(0);
      }
      expect(tried).toBe(ROUNDS * ACCESSES);
    },
  );
});
