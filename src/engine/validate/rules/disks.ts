// MV0325 to MV0327: a disk has one owner, and a copy a use.
import type { Finding } from '../../diagnostics/diagnostic.ts';
import { givenArg, type Outline, type OutlinedStep } from '../outline.ts';

/** Who has a disk, as far as it is certain: a step with a condition is not followed. */
interface Attachment {
  readonly guest: string;
  readonly isReadOnly: boolean;
  readonly by: OutlinedStep;
}

export function checkDisks({ steps }: Outline): readonly Finding[] {
  const attached = new Map<string, Attachment[]>();
  const copies = new Map<string, OutlinedStep>();
  const findings: Finding[] = [];
  for (const outlined of steps) {
    const { step, pointer } = outlined;
    const disk = String(givenArg(outlined, 'disk'));
    const guest = String(givenArg(outlined, 'guest'));
    const owners = attached.get(disk) ?? [];
    const at = { pointer: [...pointer, 'with', 'disk'] };
    if (step.uses === 'disk.clone') copies.set(disk, outlined);
    else copies.delete(disk);
    if (step.when !== undefined) continue;
    if (step.uses === 'disk.attach' || step.uses === 'vm.create') {
      const isReadOnly = givenArg(outlined, 'readOnly') === true;
      const other = owners.find((owner) => owner.guest !== guest && !(owner.isReadOnly && isReadOnly));
      if (other) {
        const message = `expected a disk that no other guest has, but ${other.by.step.id} gave ${disk} to ${other.guest}`;
        findings.push({ code: 'MV0325', message, hint: 'detach it there first, or clone it', ...at });
      }
      attached.set(disk, [...owners, { guest, isReadOnly, by: outlined }]);
    } else if (step.uses === 'disk.detach') {
      attached.set(
        disk,
        owners.filter((owner) => owner.guest !== guest),
      );
    } else if (step.uses === 'vm.destroy') {
      for (const [name, list] of attached) {
        attached.set(
          name,
          list.filter((owner) => owner.guest !== guest),
        );
      }
    } else if (step.uses === 'disk.remove' && owners[0]) {
      const message = `expected a disk that no guest has, but ${owners[0].guest} has ${disk}`;
      findings.push({ code: 'MV0326', message, hint: 'detach it first, or destroy the guest', ...at });
    }
  }
  for (const [disk, { pointer }] of copies) {
    const message = `nothing uses ${disk}, and it stays on the node`;
    const hint = 'remove this step, or the disk when it is done with';
    findings.push({ code: 'MV0327', message, hint, pointer: [...pointer, 'with', 'disk'] });
  }
  return findings;
}
