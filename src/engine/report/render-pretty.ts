/** The report for a terminal: what happened, phase by phase, and what a client saw of it. */

import type { Report, ReportGuestOs, ReportPhase, ReportStep } from '../generated/report.ts';
import { budgetWords } from '../values/budget-words.ts';
import { formatMs } from '../values/duration.ts';
import { figureTable } from './figure-table.ts';
import { accountLines } from './guest-accounts.ts';
import { LOAD_WORDS } from './load-words.ts';
import { OUTCOME_COLOR, OUTCOME_WORDS } from './outcome-words.ts';
import { type Paint, paint } from './paint.ts';
import { dryRunBasis, predictionRows, predictionSource } from './prediction-rows.ts';
import { printable } from './printable.ts';

export interface PrettyOptions {
  readonly color: boolean;
}

export function renderPretty(report: Report, { color }: PrettyOptions): string {
  const colors = paint(color);
  const parts = [
    headline(report, colors),
    failureLines(report, colors),
    budgetLines(report, colors),
    phaseTable(report, colors),
    clientLines(report, colors),
    osLines(report),
    microvisorLines(report, colors),
    predictionLines(report, colors),
    comparison(report, colors),
    outputLines(report),
  ];
  return `${parts
    .filter((lines) => lines.length > 0)
    .map((lines) => lines.join('\n'))
    .join('\n\n')}\n`;
}

function headline(report: Report, colors: Paint): string[] {
  const { run, clock } = report;
  const word = colors[OUTCOME_COLOR[run.outcome]];
  const lines = [`${colors.strong(run.playbook)} ${word(OUTCOME_WORDS[run.outcome])}`];
  if (run.dryRun) lines.push(colors.notable(`dry run: ${dryRunBasis(report)}, nothing was measured`));
  const wall = run.dryRun ? '' : `, ${formatMs(run.wallMs)} on the wall`;
  lines.push(colors.dim(`run ${run.id}, ${clock} clock, ${formatMs(run.nodeMs)} of node time${wall}`));
  return lines;
}

function failureLines({ failure, undone, leftOver }: Report, colors: Paint): string[] {
  if (!failure) return [];
  const attempts = failure.attempts > 1 ? ` after ${failure.attempts} attempts` : '';
  return [
    colors.bad(`${failure.file}:${failure.line}: ${failure.phase}/${failure.step} failed${attempts}: ${failure.code}`),
    `  ${printable(failure.message).replaceAll('\n', '\n  ')}`,
    ...(undone.length > 0 ? [`  taken back: ${undone.join(', ')}`] : []),
    ...(leftOver.length > 0 ? [colors.bad(`  left on the node: ${leftOver.join(', ')}`)] : []),
  ];
}

/** One that ended the run is its failure already. */
function budgetLines({ budgets, failure }: Report, colors: Paint): string[] {
  return budgets
    .map(budgetWords)
    .filter((words) => words !== failure?.message)
    .map(colors.notable);
}

function outputLines({ outputs }: Report): string[] {
  return Object.entries(outputs ?? {}).map(
    ([name, value]) => `${name}: ${typeof value === 'string' ? printable(value) : JSON.stringify(value)}`,
  );
}

const COLUMNS = ['phase', 'took', 'down', 'longest gap', 'failed', 'p99'] as const;

function phaseTable({ phases }: Report, colors: Paint): string[] {
  const [head, ...lines] = figureTable(
    [COLUMNS, ...phases.map(phaseCells)].map(([what, ...figures]) => [`${what}  `, ...figures]),
  );
  return [
    colors.dim(`  ${head}`),
    ...phases.flatMap((phase, index) => [
      `${mark(phase.outcome, colors)} ${lines[index]}`,
      ...phase.steps
        .filter(isTelling)
        .map((step) => colors.dim(`    ${step.outcome}: ${step.id} (${step.attempts} attempts)`)),
    ]),
  ];
}

/** A step that went as planned is told by its phase. */
const isTelling = ({ outcome, attempts }: ReportStep): boolean => outcome === 'failed' || attempts > 1;

function phaseCells(phase: ReportPhase): string[] {
  if (phase.outcome === 'not-reached') return [phase.id, 'not reached', '', '', '', ''];
  const ms = (value: number | null | undefined): string =>
    value === null || value === undefined ? '?' : formatMs(value);
  return [
    phase.id,
    formatMs(phase.nodeMs),
    ms(phase.downtimeMs),
    ms(phase.longestGapMs),
    phase.requests === null ? '?' : `${phase.failed}/${phase.requests}`,
    phase.latencyMs ? formatMs(phase.latencyMs.p99) : '-',
  ];
}

function mark(outcome: ReportPhase['outcome'], colors: Paint): string {
  switch (outcome) {
    case 'succeeded':
      return colors.good('✔');
    case 'failed':
      return colors.bad('✘');
    case 'paused':
      return colors.notable('‖');
    case 'not-reached':
      return colors.dim('·');
  }
}

function clientLines({ service }: Report, colors: Paint): string[] {
  if (!service) return ['service    not measured'];
  const latency = service.latencyMs
    ? `, latency p50 ${formatMs(service.latencyMs.p50)}, p99 ${formatMs(service.latencyMs.p99)}, max ${formatMs(service.latencyMs.max)}`
    : '';
  return [
    `service    ${colors.strong(`down ${formatMs(service.downtimeMs)}`)}, longest gap ${formatMs(service.longestGapMs)}, ` +
      `${service.failed} of ${service.requests} requests failed${latency}`,
    colors.dim(`           a request every ${formatMs(service.resolutionMs)}: shorter gaps are not seen`),
    ...loadLines(service),
  ];
}

/** What the other clients saw, a line each. */
function loadLines({ load }: NonNullable<Report['service']>): string[] {
  return Object.entries(load ?? {}).map(([kind, { requests, failed, latencyMs }], index) => {
    const latency = latencyMs ? `, p99 ${formatMs(latencyMs.p99)}, max ${formatMs(latencyMs.max)}` : '';
    const words = LOAD_WORDS[kind as keyof typeof LOAD_WORDS];
    return `${index === 0 ? 'load      ' : '          '} ${failed} of ${requests} ${words} failed${latency}`;
  });
}

function osLines({ os }: Report): string[] {
  if (!os.before && !os.after) return [];
  const names = [...new Set([...Object.keys(os.before?.packages ?? {}), ...Object.keys(os.after?.packages ?? {})])];
  return [
    `system     ${nameOf(os.before)} → ${nameOf(os.after)}`,
    printable(`kernel     ${os.before?.kernel ?? '?'} → ${os.after?.kernel ?? '?'}`),
    ...names.map(
      (name) => `${name.padEnd(10)} ${os.before?.packages[name] ?? '?'} → ${os.after?.packages[name] ?? '?'}`,
    ),
  ];
}

const nameOf = (os: ReportGuestOs | null): string =>
  printable(os?.osRelease['PRETTY_NAME'] ?? os?.osRelease['ID'] ?? '?');

function microvisorLines({ microvisor }: Report, colors: Paint): string[] {
  if (!microvisor) return [];
  const { virtualizeUs, devirtualizeUs, virtualizedMs, overheadPercent, bareTrapsExtra, stateIdentical } = microvisor;
  const { guests } = microvisor;
  const us = (value: number | null): string => (value === null ? '?' : formatMs(value / 1_000));
  const verdict =
    stateIdentical === null
      ? 'not checked'
      : stateIdentical
        ? colors.good('state bit for bit as before')
        : colors.bad('STATE DIFFERS');
  return [
    `Microvisor in ${us(virtualizeUs)}, out ${us(devirtualizeUs)}, there for ${virtualizedMs === null ? '?' : formatMs(virtualizedMs)}, ` +
      `overhead ${overheadPercent === null ? '?' : `${overheadPercent}%`}`,
    `           afterwards: ${verdict}, ${bareTrapsExtra ?? '?'} extra M-mode entries`,
    ...accountLines(guests ?? {}),
  ];
}

const PREDICTION_COLUMNS = ['predicted', 'took p10 to p90', 'took', 'down p10 to p90', 'down'] as const;

/** What was predicted before the run beside what came; a star marks what is outside. */
function predictionLines(report: Report, colors: Paint): string[] {
  const star = (isInBand: boolean | null): string => (isInBand === false ? '*' : ' ');
  const rows = predictionRows(report).map((row) => [
    row.what,
    row.predicted,
    row.took + star(row.isInBand),
    row.predictedDown,
    row.down + star(row.isDownInBand),
  ]);
  if (rows.length === 0) return [];
  const [head = '', ...lines] = figureTable([PREDICTION_COLUMNS, ...rows]);
  return [
    colors.dim(head),
    ...lines,
    colors.dim(`${predictionSource(report)}; * outside of it, as one in five should be`),
  ];
}

function comparison({ service, baseline, improvement, run }: Report, colors: Paint): string[] {
  if (!service || !baseline || !improvement) return [];
  const rows = [
    ['', run.playbook, baseline.playbook],
    ['down', formatMs(service.downtimeMs), formatMs(baseline.downtimeMs)],
    ['longest gap', formatMs(service.longestGapMs), formatMs(baseline.longestGapMs)],
    ['failed requests', `${service.failed}/${service.requests}`, `${baseline.failed}/${baseline.requests}`],
    ['took', formatMs(run.nodeMs), formatMs(baseline.nodeMs)],
  ];
  const factor = `${improvement.factor}`;
  return [
    ...figureTable(rows, 3),
    improvement.isLowerBound
      ? colors.strong(
          `more than ${factor} times less downtime: none was seen at a resolution of ${formatMs(service.resolutionMs)}`,
        )
      : colors.strong(`${factor} times less downtime`),
  ];
}
