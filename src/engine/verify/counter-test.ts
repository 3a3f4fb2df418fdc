/** A violation as a playbook test: it fails as long as the playbook is as it is. */
import type { Plan, PlannedStep } from '../plan/plan.ts';
import type { Edge } from './edge.ts';
import type { Violation } from './judge.ts';
import { FIRST } from './round.ts';

/** YAML of a test file for violations of one playbook that are about one way each. */
export function counterTests(plan: Plan, steps: readonly PlannedStep[], violations: readonly Violation[]): string {
  const lines = ['apiVersion: mvctl/v1', 'kind: PlaybookTest', `playbook: ${JSON.stringify(plan.file)}`];
  const vars = Object.entries(plan.vars);
  if (vars.length > 0) lines.push('vars:', ...vars.map(([name, { value }]) => `  ${name}: ${JSON.stringify(value)}`));
  lines.push('tests:');
  for (const violation of violations) if (isTestable(violation)) lines.push(...testOf(violation, plan, steps));
  return `${lines.join('\n')}\n`;
}

/** In a test nobody sits at the terminal or at a gate. */
const isTestable = ({ path }: Violation): boolean =>
  path.length > 0 &&
  path.every(({ fate }) => fate !== 'taken-back' && fate !== 'rejected' && fate !== 'nobody-answers');

function testOf(violation: Violation, plan: Plan, steps: readonly PlannedStep[]): readonly string[] {
  const { path, message, property, line } = violation;
  const faults = path.flatMap((edge, position) => faultOf(edge, path.slice(0, position), steps));
  const assumed = new Map(
    path.flatMap(({ choices }) =>
      choices
        .filter(({ option }) => option === 'holds' || option === 'does not hold')
        .map(({ what, option }): [string, boolean] => [what, option === 'holds']),
    ),
  );
  const takes = timesOf(path, steps);
  const resumes = path.filter(({ fate }) => fate === 'resumed').length;
  return [
    `  # ${property}, ${plan.file}:${line}`,
    `  - name: ${JSON.stringify(message.replace(/ (when|while) the run .*/, '').concat(': never'))}`,
    ...(takes.size > 0
      ? ['    mocks:', ...[...takes].map(([id, s]) => `      ${JSON.stringify(id)}: { takes: ${s}s }`)]
      : []),
    ...(faults.length > 0 ? ['    faults:', ...faults.map((fault) => `      - ${fault}`)] : []),
    ...(assumed.size > 0
      ? ['    assume:', ...[...assumed].map(([text, holds]) => `      ${JSON.stringify(text)}: ${holds}`)]
      : []),
    ...(resumes > 0 ? [`    resumes: ${resumes}`] : []),
    '    expect:',
    ...expectationOf(violation, plan).map((text) => `      ${text}`),
  ];
}

/**
 * Seconds that steps take, so that those beside each other end in the order of the way: one ends each second. None where
 * no step runs beside another.
 */
function timesOf(path: readonly Edge[], steps: readonly PlannedStep[]): ReadonlyMap<string, number> {
  const takes = new Map<string, number>();
  if (!path.some(({ choices }) => choices.some(({ what }) => what === FIRST))) return takes;
  const endOf = new Map<number, number>();
  let second = 0;
  for (const { effect } of path) {
    if (effect?.kind !== 'step') continue;
    const step = steps[effect.index]!;
    const before = steps.filter(({ phase, index }) => phase !== step.phase && endOf.has(index));
    const began = [...before.map(({ index }) => index), ...step.needs].map((index) => endOf.get(index) ?? 0);
    second += 1;
    takes.set(step.id, second - Math.max(0, ...began));
    endOf.set(step.index, second);
  }
  return takes;
}

function faultOf({ effect, fate }: Edge, before: readonly Edge[], steps: readonly PlannedStep[]): readonly string[] {
  if (
    !effect ||
    ['ok', 'time-passes', 'resumed', 'taken-back', 'admitted', 'rejected', 'nobody-answers'].includes(fate)
  )
    return [];
  const name = (of: Edge['effect']): string => {
    if (of?.kind === 'step' || of?.kind === 'ask') return `at: ${JSON.stringify(steps[of.index]!.id)}`;
    return of?.kind === 'undo' ? `at: ${JSON.stringify(steps[of.entry.index]!.id)}, undo: true` : `at: ${of?.kind}`;
  };
  const attempt = before.filter((edge) => edge.effect && name(edge.effect) === name(effect)).length + 1;
  return [`{ ${name(effect)}, attempt: ${attempt}, what: ${fate} }`];
}

/** What holds where the mistake is mended. */
function expectationOf({ path, property }: Violation, plan: Plan): readonly string[] {
  const outcome = path.at(-1)?.to.outcome;
  if (property === 'can-succeed' || property === 'no-dead-step') return ['outcome: succeeded'];
  const disks = JSON.stringify(plan.node.disks.map(({ name }) => name));
  const attached = JSON.stringify(plan.node.disks.flatMap((disk) => (disk.attached ? [`old:${disk.name}`] : [])));
  if (outcome === undefined || outcome === 'rolled-back' || outcome === 'failed-dirty') {
    return [
      'outcome: rolled-back',
      'leftOver: []',
      `node: { virtualized: false, serving: old, answers: true, guests: [old], disks: ${disks}, attached: ${attached}, idleMemory: false }`,
    ];
  }
  const serving = path.at(-1)?.to.spot.node.state.committed ?? 'old';
  if (outcome === 'paused') return ['outcome: paused', `node: { serving: ${serving}, answers: true }`];
  return [`outcome: ${outcome}`, `node: { virtualized: false, serving: ${serving}, answers: true, idleMemory: false }`];
}
