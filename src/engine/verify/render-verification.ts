/** What a verification found, for a terminal: every violation with its line and its story. */

import { stepsOf } from '../plan/plan.ts';
import { paint } from '../report/paint.ts';
import { formatMs } from '../values/duration.ts';
import type { Violation } from './judge.ts';
import { PROPERTIES } from './properties.ts';
import { tellStory } from './story.ts';
import type { Verification } from './verify-plan.ts';

export interface RenderOptions {
  readonly color: boolean;
  /** Path of the playbook as it was given. */
  readonly file: string;
}

export function renderVerification(verification: Verification, { color, file }: RenderOptions): string {
  const { plan, violations, worst, states, transitions, crashes, isComplete } = verification;
  const colors = paint(color);
  const lines: string[] = [];
  const steps = stepsOf(plan);
  const folder = file.replace(/[^/]*$/, '');
  const place = (at: string | null, line: number): string => `${at === null ? file : folder + at}:${line}`;
  for (const violation of violations) {
    const { severity, property, message } = violation;
    const label = severity === 'error' ? colors.bad(severity) : colors.strong(severity);
    lines.push(`${place(fileOf(violation, plan.file), violation.line)}: ${label} ${property}: ${message}`);
    for (const [index, { text, step }] of tellStory(violation.path, steps).entries()) {
      const where = step ? colors.dim(`  ${place(step.file === plan.file ? null : step.file, step.line)}`) : '';
      lines.push(`  ${String(index + 1).padStart(2)}. ${text}${where}`);
    }
    lines.push('');
  }
  const errors = violations.filter(({ severity }) => severity === 'error').length;
  const verdict =
    errors > 0
      ? colors.bad(`${errors} of ${Object.keys(PROPERTIES).length} properties do not hold`)
      : colors.good(`every one of ${Object.keys(PROPERTIES).length} properties holds`);
  lines.push(
    `${file}: ${isComplete ? verdict : colors.bad('there are too many states to see them all')}`,
    `  ${states} states, ${transitions} transitions, ${crashes} crashes of mvctl resumed`,
    `  at the worst: ${formatMs(worst.duration.ms)} in all, service down for ${formatMs(worst.downtime.ms)}`,
  );
  for (const [phase, { ms }] of worst.phases) if (ms > 0) lines.push(`    ${phase}: down for ${formatMs(ms)}`);
  return `${lines.join('\n')}\n`;
}

const fileOf = ({ file }: Violation, playbook: string): string | null => (file === playbook ? null : file);
