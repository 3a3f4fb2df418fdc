import { CSRS } from '../../../src/machine/hart/csr-table.ts';
import { createHart } from '../../../src/machine/hart/hart.ts';
import type { Hart, HartBus, HartStop } from '../../../src/machine/hart-contract.ts';
import { assemble } from '../../../src/machine/isa/assemble.ts';
import { X_BY_NAME } from '../../../src/machine/isa/register-names.ts';
import { createPhysicalMemory, type GuestMemory } from '../../../src/machine/memory.ts';

export const RAM = 0x8000_0000;
export const CSR: ReadonlyMap<string, number> = new Map(CSRS.map((c) => [c.name, c.address]));

export interface BareHart {
  readonly hart: Hart;
  readonly memory: GuestMemory;
  readonly labels: ReadonlyMap<string, number>;
  /** Ticks that `time` gives. */
  clock: { ticks: bigint };
  x(name: string): bigint;
  setX(name: string, value: bigint | number): void;
  csr(name: string): bigint;
  setCsr(name: string, value: bigint | number): void;
  label(name: string): number;
  /**
   * Runs until the pc is at a label, at most `instructionsMax`, one instruction at a time. A trap and the first
   * instruction of its handler are one step: handlers to run to are written `handler: j handler`.
   */
  runTo(label: string, instructionsMax?: number): void;
  run(instructions: number): HartStop;
  load64(address: number): bigint;
  store64(address: number, value: bigint | number): void;
}

export interface BareHartOptions {
  readonly bus?: HartBus;
  readonly machineModeEntries?: readonly number[];
  readonly ramBytes?: number;
}

const SILENT_BUS: HartBus = { read: () => undefined, write: () => false };

/** A hart in M-mode at the first instruction of an assembled program, with nothing around it but memory. */
export function bareHart(source: string, options: BareHartOptions = {}): BareHart {
  const { bytes, labels } = assemble(source, { base: RAM, symbols: CSR });
  const memory = createPhysicalMemory(RAM, options.ramBytes ?? 0x10_0000);
  memory.write(RAM, bytes);
  const clock = { ticks: 0n };
  const hart = createHart({
    hartId: 0,
    memory,
    bus: options.bus ?? SILENT_BUS,
    time: () => clock.ticks,
    machineModeEntries: new Set(options.machineModeEntries ?? []),
  });
  hart.reset(RAM);
  const register = (name: string): number => {
    const number = X_BY_NAME.get(name);
    if (number === undefined) throw new Error(`no register ${name}`);
    return number;
  };
  const csr = (name: string): number => {
    const address = CSR.get(name);
    if (address === undefined) throw new Error(`no CSR ${name}`);
    return address;
  };
  const label = (name: string): number => {
    const address = labels.get(name);
    if (address === undefined) throw new Error(`no label ${name}`);
    return address;
  };
  return {
    hart,
    memory,
    labels,
    clock,
    x: (name) => hart.state.x(register(name)),
    setX: (name, value) => hart.state.setX(register(name), BigInt(value)),
    csr: (name) => hart.state.csr(csr(name)),
    setCsr: (name, value) => hart.state.setCsr(csr(name), BigInt(value)),
    label,
    run: (instructions) => hart.run(instructions),
    runTo: (name, instructionsMax = 1000) => {
      for (let i = 0; i < instructionsMax; i++) {
        if (hart.pc === BigInt(label(name))) return;
        hart.run(1);
      }
      throw new Error(`${name} was not reached in ${instructionsMax} instructions; pc is 0x${hart.pc.toString(16)}`);
    },
    load64: (address) => {
      const view = memory.view(address, 8);
      return new DataView(view.buffer, view.byteOffset, 8).getBigUint64(0, true);
    },
    store64: (address, value) => {
      const eight = new Uint8Array(8);
      new DataView(eight.buffer).setBigUint64(0, BigInt.asUintN(64, BigInt(value)), true);
      memory.write(address, eight);
    },
  };
}
