// MV03xx: follows the node through the playbook, step by step, from the requirements and effects of the step table.
import type { Finding } from '../../diagnostics/diagnostic.ts';
import { GUEST_NAMES } from '../../primitives.ts';
import type { Requirement } from '../../steps/step-kind.ts';
import { NodeFacts } from '../node-facts.ts';
import { failurePolicy, givenArg, type Outline, type OutlinedStep } from '../outline.ts';

export function checkOrder({ playbook, steps }: Outline): readonly Finding[] {
  const facts = new NodeFacts((playbook.node?.disks ?? []).map(({ name }) => name));
  const findings: Finding[] = [];
  const lastSetBy = new Map<string, OutlinedStep>();
  for (const outlined of steps) {
    const { kind, step } = outlined;
    const fill = filler(outlined, facts);
    const unmet = kind.requires.flatMap((requirement) => checkRequirement(outlined, requirement, facts, fill));
    findings.push(...unmet.filter(({ code }, index) => unmet.findIndex((other) => other.code === code) === index));
    for (const { fact, becomes } of kind.effects) {
      facts.set(fill(fact), becomes, step.when);
      lastSetBy.set(fill(fact), outlined);
    }
    findings.push(...checkStaysVirtualized(outlined));
  }
  return [...findings, ...checkEnd(facts, lastSetBy), ...checkServiceRuns(steps, facts)];
}

function checkRequirement(
  outlined: OutlinedStep,
  requirement: Requirement,
  facts: NodeFacts,
  fill: (text: string) => string,
): readonly Finding[] {
  const { step, pointer } = outlined;
  const { whereArg } = requirement;
  if (whereArg && givenArg(outlined, whereArg.name) !== whereArg.is) return [];
  const truth = facts.get(fill(requirement.fact), step.when);
  if (truth === requirement.is) return [];
  const arg = /\{(\w+)\}/.exec(requirement.fact)?.[1];
  const isWritten = arg !== undefined && step.with?.[arg] !== undefined;
  return [
    {
      code: requirement.code,
      message:
        fill(requirement.message) + (truth === 'maybe' ? ' if the condition of an earlier step does not hold' : ''),
      hint: truth === 'maybe' ? 'give this step the same `when`' : fill(requirement.hint),
      pointer: isWritten ? [...pointer, 'with', arg] : [...pointer, 'uses'],
    },
  ];
}

/** Puts the step's arguments into a fact or a message. */
function filler(outlined: OutlinedStep, facts: NodeFacts): (text: string) => string {
  const arg = (name: string): string => String(givenArg(outlined, name));
  return (text) =>
    text.replace(/\{([\w-]+)\}/g, (_, name: string) => {
      if (name === 'not-to') return arg('to') === 'old' ? 'new' : 'old';
      if (name !== 'guest-or-serving') return arg(name);
      return outlined.step.with?.['guest'] === undefined ? (facts.serving(outlined.step.when) ?? 'old') : arg('guest');
    });
}

/** A failure must not leave the node virtualized: neither before the commit nor where it is passed over. */
function checkStaysVirtualized(outlined: OutlinedStep): readonly Finding[] {
  const { step, kind, pointer, isAfterCommit } = outlined;
  const effect = kind.effects.find(({ fact }) => fact === 'virtualized');
  if (effect?.becomes === true && step.undo === 'none' && !isAfterCommit) {
    const message = 'with `undo: none` a failure before the commit leaves the node virtualized';
    return [
      { code: 'MV0320', message, hint: 'remove it: the default undo devirtualizes', pointer: [...pointer, 'undo'] },
    ];
  }
  const failure = failurePolicy(outlined);
  if (effect?.becomes === false && failure.policy === 'continue') {
    const message = 'with `onFailure: continue` a failure leaves the node virtualized';
    return [{ code: 'MV0320', message, hint: 'write pause, or nothing', pointer: failure.pointer }];
  }
  return [];
}

function checkEnd(facts: NodeFacts, lastSetBy: ReadonlyMap<string, OutlinedStep>): readonly Finding[] {
  const findings: Finding[] = [];
  const at = (fact: string): Finding['pointer'] => [...(lastSetBy.get(fact)?.pointer ?? ['phases']), 'uses'];
  const certainty = (fact: string): string => (facts.get(fact, undefined) === 'maybe' ? 'can end' : 'ends');
  if (facts.get('virtualized', undefined) !== false) {
    findings.push({
      code: 'MV0320',
      message: `the playbook ${certainty('virtualized')} with the node virtualized`,
      hint: 'a step microvisor.devirtualize has to follow, under the same condition if there is one',
      pointer: at('virtualized'),
    });
  }
  if (facts.get('bank-free', undefined) !== false) {
    findings.push({
      code: 'MV0321',
      message: `the playbook ${certainty('bank-free')} with memory that no guest owns`,
      hint: 'let the guest that stays take it up: memory.take-up',
      pointer: at('bank-free'),
    });
  }
  for (const guest of GUEST_NAMES) {
    if (facts.get(`exists:${guest}`, undefined) !== false && facts.get(`serves:${guest}`, undefined) === false) {
      findings.push({
        code: 'MV0323',
        message: `the playbook ends with a guest ${guest} that does not have the service`,
        hint: 'a step vm.destroy has to follow',
        pointer: at(`exists:${guest}`),
      });
    }
  }
  return findings;
}

/** Booting starts the service, so does service.start. */
const STARTS: ReadonlySet<string> = new Set(['service.start', 'vm.boot', 'vm.reboot']);

/** Whoever has the service in the end must run it. */
function checkServiceRuns(steps: readonly OutlinedStep[], facts: NodeFacts): readonly Finding[] {
  const serving = facts.serving(undefined);
  const last = steps.findLast(
    (outlined) =>
      givenArg(outlined, 'guest') === serving &&
      (STARTS.has(outlined.step.uses) || (outlined.step.uses === 'service.stop' && outlined.step.when === undefined)),
  );
  if (last?.step.uses !== 'service.stop') return [];
  const message = `the playbook ends with the service of ${serving} stopped`;
  return [{ code: 'MV0324', message, hint: 'a step service.start has to follow', pointer: [...last.pointer, 'uses'] }];
}
