/** The report as one page that needs nothing else: no script, no font, no image, light or dark as the reader has it. */
import type { Report } from '../generated/report.ts';
import { formatMs } from '../values/duration.ts';
import { figures } from './html/figures.ts';
import { guestTables } from './html/guest-tables.ts';
import { Markup, markup } from './html/markup.ts';
import { STYLE } from './html/style.ts';
import { comparisonTable, loadTable, phaseTable, predictionTable, stepTables, systemTable } from './html/tables.ts';
import { timelineSvg } from './html/timeline-svg.ts';
import { OUTCOME_COLOR, OUTCOME_WORDS } from './outcome-words.ts';
import { dryRunBasis } from './prediction-rows.ts';

/** A browser loads nothing for the page, whatever may have got into it. */
const POLICY = "default-src 'none'; style-src 'unsafe-inline'";

export function renderHtml(report: Report): string {
  const { run } = report;
  return markup`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta http-equiv="Content-Security-Policy" content="${POLICY}">
<title>${run.playbook}: ${run.outcome}</title>
<style>${new Markup(STYLE)}</style>
</head>
<body>
<main>
${header(report)}
${figures(report)}
${failureCard(report)}
<h2>Course of the run</h2>
<div class="card">${timelineSvg(report)}</div>
<h2>Phases</h2>
<div class="card">${phaseTable(report)}</div>
${guestTables(report)}
${loadTable(report)}
${predictionTable(report)}
${comparisonTable(report)}
${systemTable(report)}
<h2>Steps</h2>
<div class="card">${stepTables(report)}</div>
${footer(report)}
</main>
</body>
</html>
`.text;
}

function header(report: Report): Markup {
  const { run, clock } = report;
  return markup`<h1>${run.playbook}</h1>
<p class="outcome ${OUTCOME_COLOR[run.outcome]}" data-figure="run.outcome">${OUTCOME_WORDS[run.outcome]}</p>
<p class="faint">run ${run.id}, ${clock} clock, started ${run.startedAt}${run.dryRun && `, dry run: ${dryRunBasis(report)}`}</p>`;
}

function failureCard({ failure, undone, leftOver }: Report): Markup | null {
  if (!failure) return null;
  const attempts = failure.attempts > 1 && ` after ${failure.attempts} attempts`;
  return markup`<h2>What failed</h2><div class="card failure"><p><strong>${failure.phase}/${failure.step}</strong>${attempts}: ${failure.code}</p>
<pre>${failure.message}</pre>
<p class="faint">${failure.file}:${failure.line}</p>
${undone.length > 0 && markup`<p>taken back: ${undone.join(', ')}</p>`}
${leftOver.length > 0 && markup`<p class="bad">left on the node: ${leftOver.join(', ')}</p>`}</div>`;
}

function footer({ run, clock, service }: Report): Markup {
  const time =
    clock === 'virtual'
      ? 'All times are node time, the same on every computer.'
      : 'All times are node time, which follows the wall clock.';
  const prober =
    service &&
    ` A prober asks for the service every ${formatMs(service.resolutionMs)} on a fixed schedule; a request is failed when it was not answered correctly before its deadline.`;
  return markup`<footer><p>${time}${prober}</p><p>playbook ${run.playbookSha256}<br>plan ${run.planSha256}</p></footer>`;
}
