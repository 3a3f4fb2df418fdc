// MV0330, MV0331, MV0333: exactly one point of no return, on every path.
import type { Finding } from '../../diagnostics/diagnostic.ts';
import { COMMIT } from '../../steps/node.ts';
import type { Outline, OutlinedStep } from '../outline.ts';

export function checkCommit(outline: Outline): readonly Finding[] {
  const { steps } = outline;
  const commits = steps.filter(({ step }) => step.uses === COMMIT);
  const [first, ...others] = commits;
  if (!first) {
    const hint = 'add a step `uses: commit` where the new state has been verified';
    return [{ code: 'MV0330', message: 'expected one commit, found none', hint, pointer: ['phases'], at: 'key' }];
  }
  return [
    ...others.map(
      ({ pointer }): Finding => ({
        code: 'MV0331',
        message: `expected one commit, found another: ${first.step.id} commits already`,
        hint: 'remove one of them',
        pointer: [...pointer, 'uses'],
      }),
    ),
    ...commits.flatMap((commit) => checkAlone(outline, commit)),
    ...commits.flatMap(({ step, pointer }): readonly Finding[] => {
      if (step.when === undefined) return [];
      const message = 'expected a commit on every path, found a condition';
      return [{ code: 'MV0333', message, hint: 'remove when', pointer: [...pointer, 'when'], at: 'key' }];
    }),
  ];
}

/** What runs at the same time would be taken back or not as it happens. */
function checkAlone({ steps, isBefore }: Outline, commit: OutlinedStep): readonly Finding[] {
  const beside = steps.find(
    (step) => step !== commit && step.phase === commit.phase && !isBefore(step, commit) && !isBefore(commit, step),
  );
  if (!beside) return [];
  const message = `expected nothing beside the commit, but ${beside.expanded.name} may run at the same time`;
  return [{ code: 'MV0219', message, hint: 'give the commit a phase of its own', pointer: [...commit.pointer, 'id'] }];
}
