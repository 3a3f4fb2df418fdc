/** A plan for a terminal: what will run, what is skipped and why, what is not known until when, what it is expected to cost. */
import { paint } from '../report/paint.ts';
import type { Simulation } from '../simulate/simulate.ts';
import { formatMs } from '../values/duration.ts';
import type { ForeseenStep } from './foresee.ts';
import type { Plan, PlannedPhase } from './plan.ts';

export interface RenderPlanOptions {
  readonly color: boolean;
  readonly simulation: Simulation;
  readonly steps: readonly ForeseenStep[];
}

export function renderPlan(plan: Plan, { color, simulation, steps }: RenderPlanOptions): string {
  const colors = paint(color);
  const lines = [colors.strong(plan.name)];
  for (const [name, { value }] of Object.entries(plan.vars))
    lines.push(colors.dim(`  ${name} = ${JSON.stringify(value)}`));
  for (const phase of plan.phases) {
    const cost = simulation.phases.find(({ id }) => id === phase.id)!;
    const down =
      cost.downtimeMs.p90 > 0
        ? `, down for ${formatMs(cost.downtimeMs.p50)} (p90 ${formatMs(cost.downtimeMs.p90)})`
        : '';
    lines.push(
      '',
      `${colors.strong(phase.id)}  ${colors.dim(`about ${formatMs(cost.nodeMs.p50)} (p90 ${formatMs(cost.nodeMs.p90)})${down}`)}`,
    );
    lines.push(...conditionsOf(phase).map((text) => `  ${text}`));
    for (const { step, prospect, unknown } of steps.filter((one) => one.step.phase === phase.id)) {
      if (step.isHidden && step.uses !== 'assert') continue;
      const title = step.isHidden ? `must hold: ${step.title}` : `${step.id} (${step.uses})`;
      switch (prospect.will) {
        case 'run':
          lines.push(`  ${colors.good('+')} ${title}`);
          break;
        case 'skip':
          lines.push(colors.dim(`  - ${title}  skipped: ${prospect.because} does not hold`));
          break;
        case 'depend':
          lines.push(`  ${colors.notable('?')} ${title}  if ${prospect.on}: known ${after(prospect.until)}`);
      }
      if (step.isHidden) continue;
      for (const { argument, until } of unknown) lines.push(colors.dim(`      ${argument}: known ${after(until)}`));
      if (step.undo === 'none' && !step.isAfterCommit && step.uses === 'guest.run')
        lines.push(colors.dim('      is not taken back'));
    }
  }
  const { nodeMs, downtimeMs, pastRuns } = simulation;
  lines.push(
    '',
    `in all about ${formatMs(nodeMs.p50)} (p90 ${formatMs(nodeMs.p90)}), service down for ${formatMs(downtimeMs.p50)} (p90 ${formatMs(downtimeMs.p90)})`,
    colors.dim(
      pastRuns === 0
        ? 'expected from priors: no earlier run on this node'
        : `expected from ${pastRuns} earlier ${pastRuns === 1 ? 'run' : 'runs'} on this node`,
    ),
  );
  return `${lines.join('\n')}\n`;
}

const after = (steps: readonly string[]): string =>
  steps.length === 0 ? 'when the run begins' : `after ${steps.join(', ')}`;

function conditionsOf({ window, gate, budget, timeoutMs }: PlannedPhase): readonly string[] {
  return [
    ...(window ? [`begins in its window (${window.timeZone})`] : []),
    ...(gate ? [`waits for ${gate.required} of ${gate.approvers.join(', ')}`] : []),
    ...(budget?.downtimeMs != null ? [`may be down for ${formatMs(budget.downtimeMs)}, else ${budget.action}`] : []),
    ...(timeoutMs === null ? [] : [`may take ${formatMs(timeoutMs)}`]),
  ];
}
