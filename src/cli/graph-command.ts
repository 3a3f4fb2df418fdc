/** `mvctl graph FILE`: a playbook as a picture, or its statechart as XState reads it. */
import { Command, Option } from 'commander';
import type { CliIo } from './io.ts';
import { loadPlan } from './load-playbook.ts';
import { nameValue, type Values } from './name-value.ts';

const FORMATS = ['mermaid', 'dot', 'xstate'] as const;

interface GraphFlags {
  readonly output: (typeof FORMATS)[number];
  readonly var?: Values;
}

const EXAMPLES = `
Examples:
  mvctl graph playbooks/online-os-upgrade.yaml
  mvctl graph playbooks/online-os-upgrade.yaml --output dot
  mvctl graph playbooks/online-os-upgrade.yaml --output xstate`;

export function graphCommand(io: CliIo): Command {
  return new Command('graph')
    .argument('<playbook>', 'playbook file')
    .addOption(
      new Option('-o, --output <format>', 'mermaid, dot, or the statechart as JSON for XState')
        .choices(FORMATS)
        .default('mermaid'),
    )
    .option('--var <name=value>', 'value of a variable; repeatable', nameValue)
    .addHelpText('after', EXAMPLES)
    .action((file: string, flags: GraphFlags) => graph(file, flags, io));
}

async function graph(file: string, { output, var: vars = {} }: GraphFlags, io: CliIo): Promise<void> {
  const plan = await loadPlan(file, vars, io);
  if (output === 'xstate') {
    const { compilePlan } = await import('../engine/statechart/compiled-plan.ts');
    // Functions have no place in JSON: actions and guards are named, the first context is made when a run begins.
    io.stdout.write(`${JSON.stringify(compilePlan(plan).chart.config, null, 2)}\n`);
    return;
  }
  const { graphOf } = await import('../engine/graph/plan-graph.ts');
  const { renderMermaid } = await import('../engine/graph/render-mermaid.ts');
  const { renderDot } = await import('../engine/graph/render-dot.ts');
  io.stdout.write((output === 'dot' ? renderDot : renderMermaid)(graphOf(plan)));
}
