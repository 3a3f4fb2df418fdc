/** Mermaid, which GitHub and GitLab draw in Markdown. Source: mermaid.js.org, "Flowcharts - Basic Syntax". */
import type { GraphBox, PlanGraph } from './plan-graph.ts';

export function renderMermaid({ name, phases, arrows }: PlanGraph): string {
  const lines = ['---', `title: ${name}`, '---', 'flowchart TD'];
  for (const [index, { title, boxes }] of phases.entries()) {
    if (title === '') lines.push(...boxes.map((box) => `  ${boxText(box)}`));
    else
      lines.push(`  subgraph p${index}["${entities(title)}"]`, ...boxes.map((box) => `    ${boxText(box)}`), '  end');
  }
  for (const { from, to, label, isFailure } of arrows) {
    const arrow = isFailure ? '-.->' : '-->';
    lines.push(`  ${from} ${arrow}${label === undefined ? '' : `|"${entities(label)}"|`} ${to}`);
  }
  return `${lines.join('\n')}\n`;
}

const BRACKETS: { readonly [shape in GraphBox['shape']]: readonly [open: string, close: string] } = {
  step: ['[', ']'],
  choice: ['[/', '/]'],
  wait: ['{{', '}}'],
  commit: ['[[', ']]'],
  end: ['([', '])'],
};

function boxText({ key, lines, shape }: GraphBox): string {
  const [open, close] = BRACKETS[shape];
  return `${key}${open}"${lines.map(entities).join('<br>')}"${close}`;
}

const entities = (text: string): string =>
  text.replaceAll('&', '&amp;').replaceAll('"', '&quot;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
