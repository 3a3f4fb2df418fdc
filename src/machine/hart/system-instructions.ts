/** SYSTEM instructions: CSR accesses, traps on purpose, returns, fences. Source: [Priv] "Machine-Level ISA". */
import type { Decoded } from '../isa/decode.ts';
import { CSR_BY_ADDRESS, csrPrivilege, csrReadOnly } from './csr-table.ts';
import type { HartControl } from './hart-control.ts';
import { MSTATUS } from './mstatus.ts';
import { CAUSE } from './trap-cause.ts';

/** `next`: goes on with the next instruction. `jumped`: retired, state pc is set. `trapped`: not retired. */
export type SystemOutcome = 'next' | 'jumped' | 'trapped' | 'wfi';

export function executeSystem(control: HartControl, { row, operands, bytes }: Decoded, word: number): SystemOutcome {
  const illegal = (): SystemOutcome => {
    control.takeException(CAUSE.illegalInstruction, BigInt(word >>> 0));
    return 'trapped';
  };
  const { privilege, mstatus } = control;
  switch (row.name) {
    case 'ecall':
      control.takeException(CAUSE.ecallFromUser + privilege, 0n);
      return 'trapped';
    case 'ebreak':
      control.takeException(CAUSE.breakpoint, control.area.double('pc'));
      return 'trapped';
    case 'mret':
      if (privilege < 3) return illegal();
      control.mret();
      return 'jumped';
    case 'sret':
      if (privilege < 1 || (privilege === 1 && mstatus & MSTATUS.TSR)) return illegal();
      control.sret();
      return 'jumped';
    case 'wfi':
      // "When TW=1, … WFI … in any less-privileged mode" may trap at once; in U-mode with S-mode it does anyway.
      if (privilege === 0 || (privilege === 1 && mstatus & MSTATUS.TW)) return illegal();
      return 'wfi';
    case 'sfence.vma':
      if (privilege < 1 || (privilege === 1 && mstatus & MSTATUS.TVM)) return illegal();
      control.tlb.fence(operandOf(control, operands.rs1), operandOf(control, operands.rs2));
      return 'next';
    default:
      return executeCsr(control, { row, operands, bytes }, illegal);
  }
}

/** Of a fence: undefined, which stands for all there are, when it is x0. */
const operandOf = (control: HartControl, register: number): bigint | undefined =>
  register === 0 ? undefined : control.area.x[register];

type CsrDecoded = Pick<Decoded, 'row' | 'operands' | 'bytes'>;

function executeCsr(control: HartControl, { row, operands }: CsrDecoded, illegal: () => SystemOutcome): SystemOutcome {
  const address = operands.imm;
  const csr = CSR_BY_ADDRESS.get(address);
  if (csr === undefined || control.privilege < csrPrivilege(address)) return illegal();
  const immediate = row.name.endsWith('i');
  const kind = row.name.slice(0, 5) as 'csrrw' | 'csrrs' | 'csrrc';
  const { x } = control.area;
  // csrrs and csrrc with rs1 = x0 (or immediate 0) do not write at all.
  const writes = kind === 'csrrw' || operands.rs1 !== 0;
  if (writes && csrReadOnly(address)) return illegal();
  if (csr.permits !== undefined && !csr.permits(control)) return illegal();
  const operand = immediate ? BigInt(operands.rs1) : (x[operands.rs1] ?? 0n);
  const reads = kind !== 'csrrw' || operands.rd !== 0;
  const old = reads ? csr.read(control) : 0n;
  if (writes && csr.write !== undefined) {
    const base = kind === 'csrrw' ? 0n : (csr.readForModify?.(control) ?? old);
    const value = kind === 'csrrw' ? operand : kind === 'csrrs' ? base | operand : base & ~operand;
    csr.write(control, value);
  }
  if (operands.rd !== 0) x[operands.rd] = old;
  return 'next';
}
