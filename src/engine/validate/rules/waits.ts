// MV0340 to MV0343, MV0601: gates, windows, budgets, and steps beside each other.
import type { Finding, Pointer } from '../../diagnostics/diagnostic.ts';
import { COMMIT } from '../../steps/node.ts';
import type { Outline, OutlinedStep } from '../outline.ts';

export function checkWaits(outline: Outline): readonly Finding[] {
  const { playbook, steps } = outline;
  const commit = steps.find(({ step }) => step.uses === COMMIT);
  const commitPhase = commit ? playbook.phases.indexOf(commit.phase) : playbook.phases.length;
  return [
    ...playbook.phases.flatMap((phase, index) => {
      const isAfterCommit = index > commitPhase;
      const pointer = ['phases', index];
      return [...checkGate(phase.gate, pointer, isAfterCommit), ...checkBudget(phase.budget, pointer, isAfterCommit)];
    }),
    ...checkBeside(outline),
    ...checkBudgetGiven(outline),
  ];
}

type Phase = OutlinedStep['phase'];

function checkGate(gate: Phase['gate'], phase: Pointer, isAfterCommit: boolean): readonly Finding[] {
  if (!gate) return [];
  const pointer = [...phase, 'gate'];
  const findings: Finding[] = [];
  if (gate.timeout === undefined) {
    const message = 'expected a timeout: nobody may ever answer, and the node waits half-way';
    findings.push({ code: 'MV0340', message, hint: 'add e.g. timeout: 4h', pointer, at: 'key' });
  }
  const approvers = new Set(gate.approvers).size;
  if ((gate.required ?? 1) > approvers) {
    const message = `expected at most ${approvers} required, for so many approvers there are, found ${gate.required}`;
    findings.push({ code: 'MV0341', message, hint: 'name more, or ask fewer', pointer: [...pointer, 'required'] });
  }
  if (isAfterCommit && gate.onFailure === 'rollback') findings.push(pastCommit([...pointer, 'onFailure']));
  if (!isAfterCommit && gate.onFailure === 'abort') {
    const message = 'expected rollback or pause: an abort before the commit would leave everything as it is';
    const hint = 'the default before the commit is rollback';
    findings.push({ code: 'MV0408', message, hint, pointer: [...pointer, 'onFailure'] });
  }
  return findings;
}

function checkBudget(budget: Phase['budget'], phase: Pointer, isAfterCommit: boolean): readonly Finding[] {
  return budget?.action === 'rollback' && isAfterCommit ? [pastCommit([...phase, 'budget', 'action'])] : [];
}

const pastCommit = (pointer: Pointer): Finding => ({
  code: 'MV0342',
  message: 'nothing can be rolled back after the commit, found rollback',
  hint: 'write pause or abort',
  pointer,
});

/** Moves the service, or says which OS counts: whatever else goes on meanwhile is measured and taken back with it. */
const ALONE: ReadonlySet<string> = new Set(['service.cut-over', 'microvisor.virtualize', 'microvisor.devirtualize']);

function checkBeside(outline: Outline): readonly Finding[] {
  const { steps } = outline;
  return steps
    .filter(({ kind }) => ALONE.has(kind.name))
    .flatMap((step): readonly Finding[] => {
      const beside = steps.find(
        (other) =>
          other !== step &&
          other.phase === step.phase &&
          !outline.isBefore(other, step) &&
          !outline.isBefore(step, other) &&
          other.kind.does.by === 'node',
      );
      if (!beside) return [];
      const message = `expected ${step.step.id} alone, but ${beside.step.id} may run beside it`;
      return [
        { code: 'MV0343', message, hint: `add ${beside.step.id} to its needs`, pointer: [...step.pointer, 'uses'] },
      ];
    });
}

function checkBudgetGiven({ playbook, steps }: Outline): readonly Finding[] {
  const hasBudget = playbook.budget !== undefined || playbook.phases.some(({ budget }) => budget !== undefined);
  if (hasBudget || !steps.some(({ kind }) => kind.undo.how !== 'nothing')) return [];
  const message = 'expected a budget: how much may a client notice before the run goes back?';
  return [{ code: 'MV0601', message, hint: 'add e.g. budget: { downtime: 1s }', pointer: ['name'], at: 'key' }];
}
