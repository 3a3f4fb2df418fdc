/** A run as JUnit XML: a suite a phase, a case a step; what a CI system shows of a maintenance. */
import type { Report, ReportPhase, ReportStep } from '../generated/report.ts';
import { type JunitCase, junitXml } from './junit-xml.ts';

export function renderJunit(report: Report): string {
  return junitXml(
    report.phases.map((phase) => ({
      name: `${report.run.playbook}: ${phase.id}`,
      startedAt: report.run.startedAt,
      cases:
        phase.steps.length > 0 ? phase.steps.map((step) => stepCase(report, phase, step)) : [phaseCase(report, phase)],
    })),
  );
}

function stepCase(report: Report, phase: ReportPhase, step: ReportStep): JunitCase {
  return {
    name: step.id,
    className: `${report.run.playbook}.${phase.id}`,
    timeMs: step.nodeMs,
    verdict: verdictOf(report, step),
  };
}

function verdictOf({ failure }: Report, step: ReportStep): JunitCase['verdict'] {
  switch (step.outcome) {
    case 'done':
    case 'done-already':
      return { kind: 'passed' };
    case 'failed': {
      // Only the failure that decided the run is in the report; another one was passed over.
      if (failure?.step !== step.id) return { kind: 'failure', type: 'failed', message: 'failed and was passed over' };
      const { code, message, file, line } = failure;
      return { kind: 'failure', type: code, message, details: `${file}:${line}: ${message}` };
    }
    case 'skipped':
      return { kind: 'skipped', message: 'its condition did not hold' };
    case 'not-reached':
      return { kind: 'skipped', message: 'not reached' };
  }
}

/** A phase of the engine's own, which has no steps: taking back, recovery. */
function phaseCase({ run, failure, leftOver }: Report, { id, title, nodeMs, outcome }: ReportPhase): JunitCase {
  const hasFailed = outcome === 'failed';
  return {
    name: title,
    className: `${run.playbook}.${id}`,
    timeMs: nodeMs,
    verdict: hasFailed
      ? { kind: 'failure', type: failure?.code ?? 'failed', message: `left on the node: ${leftOver.join(', ')}` }
      : { kind: 'passed' },
  };
}
