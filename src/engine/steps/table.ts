/** Every step kind there is. */
import { CPU_STEPS } from './cpu.ts';
import { DISK_STEPS } from './disk.ts';
import { GENERIC_STEPS } from './generic.ts';
import { GUEST_STEPS } from './guest.ts';
import { MEMORY_STEPS } from './memory.ts';
import { MICROVISOR_STEPS } from './microvisor.ts';
import { NIC_STEPS } from './nic.ts';
import { NODE_STEPS } from './node.ts';
import { SERVICE_STEPS } from './service.ts';
import type { StepKind } from './step-kind.ts';
import { VM_STEPS } from './vm.ts';

export const STEP_KINDS: readonly StepKind[] = [
  ...MICROVISOR_STEPS,
  ...MEMORY_STEPS,
  ...CPU_STEPS,
  ...DISK_STEPS,
  ...NIC_STEPS,
  ...VM_STEPS,
  ...GUEST_STEPS,
  ...SERVICE_STEPS,
  ...NODE_STEPS,
  ...GENERIC_STEPS,
];

const BY_NAME = new Map(STEP_KINDS.map((kind) => [kind.name, kind]));

/** For names that were checked. */
export function stepKind(name: string): StepKind {
  const kind = BY_NAME.get(name);
  if (!kind) throw new Error(`no step kind ${name}: the playbook was not validated`);
  return kind;
}

/** Kinds that change nothing and are there to fail. */
export const CHECKS: ReadonlySet<string> = new Set([
  'service.check',
  'probe',
  'assert',
  'guest.wait-for',
  'microvisor.audit',
]);
