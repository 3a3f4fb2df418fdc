/** The DOT language of Graphviz: `mvctl graph FILE --output dot | dot -Tsvg`. */
import type { GraphBox, PlanGraph } from './plan-graph.ts';

export function renderDot({ name, phases, arrows }: PlanGraph): string {
  const lines = [`digraph ${quote(name)} {`, '  node [shape=box];'];
  for (const { id, title, boxes } of phases) {
    const nodes = boxes.map(
      ({ key, lines: text, shape }) => `${key} [label=${quote(text.join('\n'))}${SHAPES[shape]}];`,
    );
    if (title === '') lines.push(...nodes.map((node) => `  ${node}`));
    else {
      lines.push(`  subgraph ${quote(`cluster_${id}`)} {`, `    label=${quote(title)};`);
      lines.push(...nodes.map((node) => `    ${node}`), '  }');
    }
  }
  for (const { from, to, label, isFailure } of arrows) {
    const attributes = [
      ...(label === undefined ? [] : [`label=${quote(label)}`]),
      ...(isFailure ? ['style=dashed'] : []),
    ];
    lines.push(`  ${from} -> ${to}${attributes.length > 0 ? ` [${attributes.join(', ')}]` : ''};`);
  }
  return `${[...lines, '}'].join('\n')}\n`;
}

const SHAPES: { readonly [shape in GraphBox['shape']]: string } = {
  step: '',
  choice: ', shape=parallelogram',
  wait: ', shape=hexagon',
  commit: ', peripheries=2',
  end: ', shape=oval',
};

const quote = (text: string): string =>
  `"${text.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n')}"`;
