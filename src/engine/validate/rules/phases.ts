// MV0412, MV0602 to MV0605: what a playbook for a server that matters should have.
import type { Finding } from '../../diagnostics/diagnostic.ts';
import { CHECKS } from '../../steps/table.ts';
import { formatMs, parseDuration } from '../../values/duration.ts';
import { givenArg, type Outline, type OutlinedStep } from '../outline.ts';

export function checkPhases(outline: Outline): readonly Finding[] {
  const { playbook, steps } = outline;
  return [
    ...playbook.phases.flatMap((phase, index) =>
      checkTimeout(
        phase,
        index,
        steps.filter((outlined) => outlined.phase === phase),
      ),
    ),
    ...checkCommands(outline),
    ...checkBareService(outline),
    ...checkDescriptions(outline),
  ];
}

type Phase = OutlinedStep['phase'];

function checkTimeout(phase: Phase, index: number, steps: readonly OutlinedStep[]): readonly Finding[] {
  const timeoutMs = parseDuration(phase.timeout);
  const usualMs = steps.reduce((sum, step) => sum + usuallyMs(step), 0);
  if (typeof timeoutMs !== 'number' || usualMs <= timeoutMs) return [];
  const message = `the steps usually take ${formatMs(usualMs)}, and the phase is given ${phase.timeout}`;
  return [{ code: 'MV0412', message, hint: 'raise it', pointer: ['phases', index, 'timeout'] }];
}

function usuallyMs(outlined: OutlinedStep): number {
  const given = parseDuration(outlined.step.expected ?? givenArg(outlined, 'for'));
  return typeof given === 'number' ? given : outlined.kind.prior.ms;
}

/** What a step does is known, what a command did is not. */
function checkCommands({ playbook, steps }: Outline): readonly Finding[] {
  const last = steps.findLast(({ kind }) => COMMANDS.has(kind.name));
  if (!last) return [];
  const isChecked = steps.some(({ kind, index }) => index > last.index && CHECKS.has(kind.name));
  const isVerified = playbook.phases.slice(playbook.phases.indexOf(last.phase)).some(({ verify }) => verify);
  if (isChecked || isVerified) return [];
  const message = `expected something that verifies what ${last.step.id} did`;
  const hint = 'add a step that checks, or verify with a condition';
  return [{ code: 'MV0602', message, hint, pointer: [...last.pointer, 'id'] }];
}

const COMMANDS: ReadonlySet<string> = new Set(['guest.run', 'guest.copy']);

function checkBareService({ steps }: Outline): readonly Finding[] {
  const last = steps.findLast(({ step }) => step.uses === 'microvisor.devirtualize');
  if (!last || steps.some(({ step, index }) => index > last.index && SERVICE_CHECKS.has(step.uses))) return [];
  const message = 'expected a check that the service still answers when the Microvisor is gone';
  const hint = 'add a step probe or service.check behind it';
  return [{ code: 'MV0603', message, hint, pointer: [...last.pointer, 'uses'] }];
}

const SERVICE_CHECKS: ReadonlySet<string> = new Set(['probe', 'service.check']);

function checkDescriptions({ playbook }: Outline): readonly Finding[] {
  const findings: Finding[] = [];
  if (playbook.description === undefined) {
    const message = 'expected a description: what does it do, and when is it run?';
    findings.push({ code: 'MV0604', message, pointer: ['name'], at: 'key' });
  }
  for (const [name, variable] of Object.entries(playbook.vars ?? {})) {
    if (variable?.description !== undefined) continue;
    const message = `expected a description: what is ${name} for?`;
    findings.push({ code: 'MV0605', message, pointer: ['vars', name], at: 'key' });
  }
  return findings;
}
