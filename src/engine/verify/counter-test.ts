/** A violation as a playbook test: it fails as long as the playbook is as it is. */
import type { Plan, PlannedStep } from '../plan/plan.ts';
import type { Edge } from './edge.ts';
import type { Violation } from './judge.ts';

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
  const resumes = path.filter(({ fate }) => fate === 'resumed').length;
  return [
    `  # ${property}, ${plan.file}:${line}`,
    `  - name: ${JSON.stringify(message.replace(/ (when|while) the run .*/, '').concat(': never'))}`,
    ...(faults.length > 0 ? ['    faults:', ...faults.map((fault) => `      - ${fault}`)] : []),
    ...(assumed.size > 0
      ? ['    assume:', ...[...assumed].map(([text, holds]) => `      ${JSON.stringify(text)}: ${holds}`)]
      : []),
    ...(resumes > 0 ? [`    resumes: ${resumes}`] : []),
    '    expect:',
    ...expectationOf(violation, plan).map((text) => `      ${text}`),
  ];
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
