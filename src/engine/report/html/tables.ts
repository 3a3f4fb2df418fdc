/** What the picture shows, as tables: for reading values, and for who does not see pictures. */

import type { Report, ReportPhase } from '../../generated/report.ts';
import { formatMs } from '../../values/duration.ts';
import { LOAD_WORDS } from '../load-words.ts';
import { predictionRows, predictionSource } from '../prediction-rows.ts';
import { entriesByName, entriesIn } from '../trap-cause.ts';
import { type Markup, markup } from './markup.ts';

export function phaseTable({ phases }: Report): Markup {
  return markup`<table><thead><tr><th>phase</th><th class="text">outcome</th><th>took</th><th>down</th><th>longest gap</th><th>failed</th><th>p50</th><th>p99</th><th>M-mode entries</th></tr></thead><tbody>${phases.map(phaseRow)}</tbody></table>`;
}

function phaseRow(phase: ReportPhase): Markup {
  const { id, title, outcome, nodeMs, downtimeMs, longestGapMs, requests, failed, latencyMs, traps } = phase;
  const cells =
    outcome === 'not-reached'
      ? ['', '', '', '', '', '', '']
      : [
          formatMs(nodeMs),
          duration(downtimeMs),
          duration(longestGapMs),
          requests === null ? '?' : `${failed}/${requests}`,
          latencyMs ? formatMs(latencyMs.p50) : '-',
          latencyMs ? formatMs(latencyMs.p99) : '-',
          traps ? String(entriesIn(traps)) : '?',
        ];
  const causes = entriesByName(traps ?? {});
  return markup`<tr data-row="${id}"><td title="${title}">${id}</td><td class="text ${COLOR[outcome]}">${outcome}</td>${cells.map(
    (cell, column) => markup`<td${column === 6 && causes !== '' && markup` title="${causes}"`}>${cell}</td>`,
  )}</tr>`;
}

const COLOR: Readonly<Record<ReportPhase['outcome'], string>> = {
  succeeded: 'good',
  failed: 'bad',
  paused: 'notable',
  'not-reached': 'faint',
};

const duration = (ms: number | null): string => (ms === null ? '?' : formatMs(ms));

/** Folded up: whoever looks for a step knows why. */
export function stepTables({ phases }: Report): readonly Markup[] {
  return phases
    .filter(({ steps }) => steps.length > 0)
    .map(
      ({ id, title, steps }) =>
        markup`<details><summary>${id}: ${title}</summary><table><thead><tr><th>step</th><th class="text">kind</th><th class="text">outcome</th><th>attempts</th><th>began</th><th>took</th></tr></thead><tbody>${steps.map(
          (step) =>
            markup`<tr><td>${step.id}</td><td class="text">${step.uses}</td><td class="text">${step.outcome}</td><td>${step.attempts}</td><td>${step.startMs === null ? '' : formatMs(step.startMs)}</td><td>${step.startMs === null ? '' : formatMs(step.nodeMs)}</td></tr>`,
        )}</tbody></table></details>`,
    );
}

/** What clients other than the prober saw. */
export function loadTable({ service }: Report): Markup | null {
  if (!service?.load) return null;
  const ms = (value: number | undefined): string => (value === undefined ? '-' : formatMs(value));
  return markup`<h2>Clients at work meanwhile</h2><div class="card"><table><thead><tr><th></th><th>requests</th><th>failed</th><th class="text">how</th><th>p50</th><th>p99</th><th>max</th></tr></thead><tbody>${Object.entries(
    service.load,
  ).map(([kind, { requests, failed, failures, latencyMs }]) => {
    const how = Object.entries(failures).map(([failure, count]) => `${failure} ${count}`);
    return markup`<tr data-load="${kind}"><td>${LOAD_WORDS[kind as keyof typeof LOAD_WORDS]}</td><td>${requests}</td><td${failed > 0 && markup` class="bad"`}>${failed}</td><td class="text">${how.join(', ')}</td><td>${ms(latencyMs?.p50)}</td><td>${ms(latencyMs?.p99)}</td><td>${ms(latencyMs?.max)}</td></tr>`;
  })}</tbody></table></div>`;
}

export function systemTable({ os: { before, after } }: Report): Markup | null {
  if (!before && !after) return null;
  const packages = [...new Set([...Object.keys(before?.packages ?? {}), ...Object.keys(after?.packages ?? {})])];
  const rows: readonly (readonly [what: string, was: string | undefined, is: string | undefined])[] = [
    ['system', before?.osRelease['PRETTY_NAME'], after?.osRelease['PRETTY_NAME']],
    ['kernel', before?.kernel, after?.kernel],
    ...packages.map((name) => [name, before?.packages[name], after?.packages[name]] as const),
  ];
  return markup`<h2>What the server runs</h2><div class="card"><table><thead><tr><th></th><th class="text">before</th><th class="text">after</th></tr></thead><tbody>${rows.map(
    ([what, was, is]) =>
      markup`<tr><td>${what}</td><td class="text">${was ?? '?'}</td><td class="text">${is ?? '?'}</td></tr>`,
  )}</tbody></table></div>`;
}

export function comparisonTable({ run, service, baseline }: Report): Markup | null {
  if (!service || !baseline) return null;
  const rows = [
    ['downtime', formatMs(service.downtimeMs), formatMs(baseline.downtimeMs)],
    ['longest gap', formatMs(service.longestGapMs), formatMs(baseline.longestGapMs)],
    ['failed requests', `${service.failed}/${service.requests}`, `${baseline.failed}/${baseline.requests}`],
    ['node time', formatMs(run.nodeMs), formatMs(baseline.nodeMs)],
  ] as const;
  return markup`<h2>Beside ${baseline.playbook}</h2><div class="card"><table><thead><tr><th></th><th>${run.playbook}</th><th>${baseline.playbook}</th></tr></thead><tbody>${rows.map(
    ([what, here, there]) => markup`<tr><td>${what}</td><td>${here}</td><td>${there}</td></tr>`,
  )}</tbody></table></div>`;
}

/** What was predicted before the run beside what came. */
export function predictionTable(report: Report): Markup | null {
  const rows = predictionRows(report);
  if (rows.length === 0) return null;
  return markup`<h2>Predicted and measured</h2><p>p10 to p90, ${predictionSource(report)}: one in five should be outside.</p><div class="card"><table><thead><tr><th></th><th>predicted</th><th>took</th><th>predicted downtime</th><th>downtime</th></tr></thead><tbody>${rows.map(
    ({ what, predicted, took, predictedDown, down, isInBand, isDownInBand }) =>
      markup`<tr data-predicted="${what}"><td>${what}</td><td>${predicted}</td><td${isInBand === false && markup` class="bad"`}>${took}</td><td>${predictedDown}</td><td${isDownInBand === false && markup` class="bad"`}>${down}</td></tr>`,
  )}</tbody></table></div>`;
}
