/** The figures at the head of the page. Each says which value of the report it shows, for whoever reads the page back. */
import type { Report } from '../../generated/report.ts';
import { formatMs } from '../../values/duration.ts';
import { type Markup, markup } from './markup.ts';

interface Figure {
  /** Path in the report. */
  readonly of: string;
  readonly title: string;
  readonly value: string;
  readonly note: string;
}

export function figures(report: Report): Markup {
  return markup`<dl class="figures">${[...serviceFigures(report), ...runFigures(report)].map(
    ({ of, title, value, note }) =>
      markup`<div><dt>${title}</dt><dd data-figure="${of}">${value}<small>${note}</small></dd></div>`,
  )}</dl>`;
}

function serviceFigures({ service, baseline, improvement }: Report): readonly Figure[] {
  if (!service) return [{ of: 'service', title: 'Service', value: 'not measured', note: '' }];
  const { downtimeMs, longestGapMs, requests, failed, resolutionMs, latencyMs } = service;
  const beside =
    baseline && improvement
      ? `${improvement.isLowerBound ? 'more than ' : ''}${improvement.factor} times less than ${baseline.playbook} (${formatMs(baseline.downtimeMs)})`
      : `a request every ${formatMs(resolutionMs)}; shorter gaps are not seen`;
  return [
    { of: 'service.downtimeMs', title: 'Downtime', value: formatMs(downtimeMs), note: beside },
    { of: 'service.failed', title: 'Failed requests', value: count(failed), note: `of ${count(requests)}` },
    {
      of: 'service.longestGapMs',
      title: 'Longest gap',
      value: formatMs(longestGapMs),
      note: 'without a correct answer',
    },
    ...(latencyMs
      ? [
          {
            of: 'service.latencyMs.p99',
            title: 'Latency, p99',
            value: formatMs(latencyMs.p99),
            note: `median ${formatMs(latencyMs.p50)}, max ${formatMs(latencyMs.max)}`,
          },
        ]
      : []),
  ];
}

function runFigures({ run, microvisor }: Report): readonly Figure[] {
  const us = (value: number | null): string => (value === null ? '?' : formatMs(value / 1e3));
  return [
    {
      of: 'run.nodeMs',
      title: 'Node time',
      value: formatMs(run.nodeMs),
      note: run.dryRun ? 'priors, nothing was measured' : `${formatMs(run.wallMs)} on the wall`,
    },
    ...(microvisor
      ? [
          {
            of: 'microvisor.virtualizeUs',
            title: 'Microvisor in',
            value: us(microvisor.virtualizeUs),
            note: `out ${us(microvisor.devirtualizeUs)}, there for ${microvisor.virtualizedMs === null ? '?' : formatMs(microvisor.virtualizedMs)}`,
          },
          {
            of: 'microvisor.overheadPercent',
            title: 'Overhead',
            value: microvisor.overheadPercent === null ? '?' : `${microvisor.overheadPercent}%`,
            note: afterwards(microvisor),
          },
        ]
      : []),
  ];
}

function afterwards({ stateIdentical, bareTrapsExtra }: NonNullable<Report['microvisor']>): string {
  if (stateIdentical === null) return 'afterwards: not checked';
  const state = stateIdentical ? 'state bit for bit as before' : 'STATE DIFFERS';
  return `afterwards: ${state}, ${bareTrapsExtra ?? '?'} extra entries`;
}

const count = (value: number): string => value.toLocaleString('en');
