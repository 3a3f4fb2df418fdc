// MV04xx: what happens when a step fails.
import type { Finding } from '../../diagnostics/diagnostic.ts';
import { COMMIT } from '../../steps/node.ts';
import { goesWithItsVm } from '../../steps/step-kind.ts';
import { CHECKS } from '../../steps/table.ts';
import { parseDuration } from '../../values/duration.ts';
import { failurePolicy, givenArg, type Outline, type OutlinedStep } from '../outline.ts';

export function checkFailureHandling({ steps }: Outline): readonly Finding[] {
  const hasCommit = steps.some(({ step }) => step.uses === COMMIT);
  return steps.flatMap((step) => [
    ...checkUndo(step),
    ...checkOnFailure(step, hasCommit),
    ...checkTimeout(step),
    ...checkRetry(step),
    ...checkPassedOver(step),
    ...checkExpected(step),
  ]);
}

function checkUndo(outlined: OutlinedStep): readonly Finding[] {
  const { step, kind, phase, pointer, isAfterCommit } = outlined;
  if (isAfterCommit) {
    if (step.undo === undefined) return [];
    const message = 'this undo never runs: nothing is undone after the commit';
    return [{ code: 'MV0402', message, hint: 'remove it', pointer: [...pointer, 'undo'], at: 'key', fix: 'remove' }];
  }
  if (
    step.undo !== undefined ||
    phase.undo !== undefined ||
    kind.undo.how !== 'ask' ||
    goesWithItsVm(kind, givenArg(outlined, 'guest'))
  )
    return [];
  const message = `expected an undo: what ${kind.name} does here is not taken back by itself`;
  const hint = 'add `undo:` with a step that takes it back, or `undo: none` if nothing has to be';
  return [{ code: 'MV0401', message, hint, pointer: [...pointer, 'uses'] }];
}

function checkOnFailure(outlined: OutlinedStep, hasCommit: boolean): readonly Finding[] {
  const { step, isAfterCommit } = outlined;
  const { policy, pointer } = failurePolicy(outlined);
  const at = { pointer };
  if (policy === 'rollback' && isAfterCommit) {
    const message = 'expected pause, continue or abort: nothing can be rolled back after the commit';
    return [{ code: 'MV0403', message, hint: 'the default after the commit is pause', ...at }];
  }
  if (policy === 'abort' && !isAfterCommit && hasCommit) {
    const message = 'expected rollback, pause or continue: an abort before the commit would leave everything as it is';
    return [{ code: 'MV0408', message, hint: 'the default before the commit is rollback', ...at }];
  }
  if (policy === 'continue' && step.uses === COMMIT) {
    return [{ code: 'MV0333', message: 'a commit that failed cannot be passed over', ...at }];
  }
  return [];
}

function checkTimeout({ step, kind, pointer }: OutlinedStep): readonly Finding[] {
  if (kind.timeoutMs !== 'must' || step.timeout !== undefined) return [];
  const message = `expected a timeout: ${kind.name} waits for something that may never come`;
  return [{ code: 'MV0404', message, hint: 'add e.g. timeout: 60s', pointer: [...pointer, 'uses'] }];
}

function checkRetry(outlined: OutlinedStep): readonly Finding[] {
  const { step, kind, pointer, phase } = outlined;
  const findings: Finding[] = [];
  if (step.retry !== undefined) {
    const at = { pointer: [...pointer, 'retry'], at: 'key' } as const;
    if (kind.does.by !== 'node') {
      const message = `a retry cannot help: ${kind.name} comes to the same end every time`;
      findings.push({ code: 'MV0405', message, hint: 'retry the step that it looks at', fix: 'remove', ...at });
    } else if (step.retry.attempts === 1) {
      const message = 'a retry cannot help: 1 attempt is the first one';
      findings.push({
        code: 'MV0405',
        message,
        hint: 'attempts counts all attempts: write 2 or more',
        fix: 'remove',
        ...at,
      });
    } else if (step.retry.backoff !== undefined && step.retry.delay === undefined) {
      const message = 'a backoff cannot help: there is no delay to grow';
      findings.push({ code: 'MV0405', message, hint: 'add delay', ...at });
    }
  }
  const phaseMs = parseDuration(phase.timeout);
  const stepMs = worstCaseMs(outlined);
  if (typeof phaseMs === 'number' && stepMs > phaseMs) {
    const message = `the step can take ${stepMs} ms with all its attempts, its phase ${phaseMs} ms`;
    findings.push({
      code: 'MV0407',
      message,
      hint: 'lower timeout or retry, or raise the timeout of the phase',
      pointer: [...pointer, 'id'],
    });
  }
  return findings;
}

function checkPassedOver(outlined: OutlinedStep): readonly Finding[] {
  const { kind } = outlined;
  const { policy, pointer } = failurePolicy(outlined);
  if (policy !== 'continue' || !CHECKS.has(kind.name)) return [];
  const message = `with \`onFailure: continue\` the ${kind.name} checks nothing`;
  const hint = 'remove it, or the step';
  return [{ code: 'MV0410', message, hint, pointer }];
}

function checkExpected({ step, pointer }: OutlinedStep): readonly Finding[] {
  const timeoutMs = parseDuration(step.timeout);
  const expectedMs = parseDuration(step.expected);
  if (typeof timeoutMs !== 'number' || typeof expectedMs !== 'number' || expectedMs <= timeoutMs) return [];
  const message = `the step usually takes ${step.expected} and is given ${step.timeout}`;
  return [{ code: 'MV0411', message, hint: 'give it twice what it takes', pointer: [...pointer, 'timeout'] }];
}

function worstCaseMs({ step, kind }: OutlinedStep): number {
  const given = parseDuration(step.timeout);
  const timeoutMs = typeof given === 'number' ? given : kind.timeoutMs === 'must' || step.timeout ? 0 : kind.timeoutMs;
  const delay = parseDuration(step.retry?.delay);
  const attempts = step.retry?.attempts ?? 1;
  return attempts * timeoutMs + (attempts - 1) * (typeof delay === 'number' ? delay : 0);
}
