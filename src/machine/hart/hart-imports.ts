/** The border between generated code and the control plane. */
import type { Callable } from '../wasm/code.ts';
import type { ModuleBuilder } from '../wasm/module-builder.ts';

/** What generated code calls; implemented by the hart's control plane. Numbers are i32 unless bigint. */
export interface HartImports {
  /** Takes a trap at state pc. */
  fault(cause: number, address: bigint): void;
  recordsOfPage(linear: number): number;
  /** Record of the instruction at this address, checked by itself; 0: trapped. */
  checkedFetch(address: bigint): number;
  /** Fills in the record at this address. */
  decode(record: number): void;
  /** Decodes the instruction that crosses into the next page; 0: trapped. */
  crossing(record: number): number;
  illegal(word: number): void;
  /** Executes a SYSTEM instruction; 1: state pc says where to go on, 0: with the next instruction. */
  environment(word: number): number;
  /** Executes a floating-point instruction exactly; as `environment`. */
  floatExact(word: number): number;
  /** FS was not dirty: 1 when it was off and a trap was taken; otherwise it is dirty now if `write`. */
  floatUse(write: number): number;
  /** Access of `bytes` that is not plain RAM; value in state. Misaligned ones are refused. */
  slowLoad(bytes: number): void;
  slowStore(bytes: number): void;
  /** Linear address of an atomic of `bytes` that is not plain RAM, by ACCESS; 0: trapped. */
  slowAtomic(bytes: number, access: number): number;
  /** Whether S-mode may access the page table entry at a physical address, PERMISSION given. */
  pmpAllowsEntry(address: bigint, permission: number): number;
  /** A page with code was stored to too often. */
  codePageWritten(records: number): void;
  /** A page with translated code was stored to. */
  translationWritten(records: number): void;
}

/** The exports of the module. */
export interface HartModule {
  /** Executes at most state budget instructions. */
  run(): void;
  /** As `Translation.walk`. */
  walk(address: bigint, access: number, tlbClass: number): number;
  fillFetch(address: bigint): number;
  fillData(address: bigint, access: number): number;
}

export interface ImportedFunctions {
  readonly fault: Callable<undefined>;
  readonly recordsOfPage: Callable<'i32'>;
  readonly checkedFetch: Callable<'i32'>;
  readonly decode: Callable<undefined>;
  readonly crossing: Callable<'i32'>;
  readonly illegal: Callable<undefined>;
  readonly environment: Callable<'i32'>;
  readonly floatExact: Callable<'i32'>;
  readonly floatUse: Callable<'i32'>;
  readonly slowLoad: Callable<undefined>;
  readonly slowStore: Callable<undefined>;
  readonly slowAtomic: Callable<'i32'>;
  readonly pmpAllowsEntry: Callable<'i32'>;
  readonly codePageWritten: Callable<undefined>;
  readonly translationWritten: Callable<undefined>;
}

export function importFunctions(module: ModuleBuilder): ImportedFunctions {
  return {
    fault: module.importFunction('fault', ['i32', 'i64'], undefined),
    recordsOfPage: module.importFunction('recordsOfPage', ['i32'], 'i32'),
    checkedFetch: module.importFunction('checkedFetch', ['i64'], 'i32'),
    decode: module.importFunction('decode', ['i32'], undefined),
    crossing: module.importFunction('crossing', ['i32'], 'i32'),
    illegal: module.importFunction('illegal', ['i32'], undefined),
    environment: module.importFunction('environment', ['i32'], 'i32'),
    floatExact: module.importFunction('floatExact', ['i32'], 'i32'),
    floatUse: module.importFunction('floatUse', ['i32'], 'i32'),
    slowLoad: module.importFunction('slowLoad', ['i32'], undefined),
    slowStore: module.importFunction('slowStore', ['i32'], undefined),
    slowAtomic: module.importFunction('slowAtomic', ['i32', 'i32'], 'i32'),
    pmpAllowsEntry: module.importFunction('pmpAllowsEntry', ['i64', 'i32'], 'i32'),
    codePageWritten: module.importFunction('codePageWritten', ['i32'], undefined),
    translationWritten: module.importFunction('translationWritten', ['i32'], undefined),
  };
}
