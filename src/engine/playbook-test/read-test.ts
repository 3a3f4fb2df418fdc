/** A test file to tests that make sense for its playbook, or to what is wrong with it. */
import { type Diagnostic, type Finding, isError, type Pointer, sortDiagnostics } from '../diagnostics/diagnostic.ts';
import { didYouMean } from '../diagnostics/suggest.ts';
import type { Expectation, PlaybookTest } from '../generated/playbook-test.ts';
import type { SourceFile } from '../parse/parse-yaml.ts';
import { type Plan, stepsOf } from '../plan/plan.ts';
import { FAILURE_CODES } from '../primitives.ts';
import { stepKind } from '../steps/table.ts';
import { checkShape } from '../validate/check-schema.ts';
import { DURATION_HINTS, parseDuration } from '../values/duration.ts';

export interface ReadTest {
  readonly test: PlaybookTest | undefined;
  readonly diagnostics: readonly Diagnostic[];
}

/** The shape alone: which playbook it is for is not known before. */
export function readTest(source: SourceFile): ReadTest {
  if (source.data === undefined) return { test: undefined, diagnostics: sortDiagnostics(source.diagnostics) };
  const findings = checkShape('PlaybookTest', source.data);
  const diagnostics = sortDiagnostics([...source.diagnostics, ...findings.map((finding) => source.locate(finding))]);
  return { test: diagnostics.some(isError) ? undefined : (source.data as PlaybookTest), diagnostics };
}

const asksNode = (uses: string): boolean => stepKind(uses).does.by === 'node';

/** The engine's own work has names as well. */
const ENGINE_WORK = ['begin', 'end', 'boot', 'check'];

/** What names something that the playbook does not have, could never come to pass, or is no duration. */
export function checkTest(test: PlaybookTest, plan: Plan): readonly Finding[] {
  const findings: Finding[] = [];
  const steps = stepsOf(plan);
  const stepIds = steps.map(({ id }) => id);
  const conditions = [...steps, ...Object.values(plan.scopes)].flatMap(({ when }) => when ?? []);
  const assumable = [...conditions, ...steps.filter(({ uses }) => uses === 'assert').map(({ id }) => id)];
  const silent = new Set(steps.filter(({ uses, doneIf }) => !asksNode(uses) && !doneIf).map(({ id }) => id));
  const step = (id: string | undefined, pointer: Pointer, also: readonly string[] = [], at?: 'key'): void => {
    const known = [...stepIds, ...also];
    if (id === undefined || known.includes(id)) return;
    const message = `the playbook has no step ${JSON.stringify(id)}`;
    findings.push({ code: 'MV0204', message, hint: didYouMean(id, known), pointer, ...(at ? { at } : {}) });
  };
  const duration = (text: string | undefined, pointer: Pointer): void => {
    const ms = text === undefined ? 0 : parseDuration(text);
    if (typeof ms === 'number') return;
    const message = `expected a duration, found ${JSON.stringify(text)}`;
    findings.push({ code: 'MV0115', message, hint: DURATION_HINTS[ms], pointer });
  };
  const mocks = (given: PlaybookTest['mocks'], pointer: Pointer): void => {
    for (const [id, mock] of Object.entries(given ?? {})) {
      step(id, [...pointer, id], [], 'key');
      loud(id, [...pointer, id], 'key');
      duration(mock?.takes, [...pointer, id, 'takes']);
      duration(mock?.downtime, [...pointer, id, 'downtime']);
    }
  };
  const loud = (id: string, pointer: Pointer, at?: 'key'): void => {
    if (!silent.has(id)) return;
    const message = `${id} asks nothing of the node, so that nothing can befall it there`;
    const hint = 'to have an assertion fail, assume that it does not hold';
    findings.push({ code: 'MV0104', message, hint, pointer, ...(at ? { at } : {}) });
  };
  mocks(test.mocks, ['mocks']);
  for (const [index, { mocks: own, faults = [], assume = {}, expect }] of test.tests.entries()) {
    const pointer = ['tests', index];
    mocks(own, [...pointer, 'mocks']);
    for (const text of Object.keys(assume)) {
      if (assumable.includes(text)) continue;
      const message = `the playbook has no condition, and no assertion, ${JSON.stringify(text)}`;
      const hint = didYouMean(text, [...new Set(assumable)]);
      findings.push({ code: 'MV0204', message, hint, pointer: [...pointer, 'assume', text], at: 'key' });
    }
    for (const [number, { at, code }] of faults.entries()) {
      step(at, [...pointer, 'faults', number, 'at'], ENGINE_WORK);
      loud(at, [...pointer, 'faults', number, 'at']);
      if (code === undefined || code in FAILURE_CODES) continue;
      const codes = Object.keys(FAILURE_CODES);
      const message = `expected a failure code, found ${JSON.stringify(code)}`;
      findings.push({
        code: 'MV0104',
        message,
        hint: didYouMean(code, codes),
        pointer: [...pointer, 'faults', number, 'code'],
      });
    }
    for (const list of ID_LISTS) {
      for (const [number, id] of (expect[list] ?? []).entries()) step(id, [...pointer, 'expect', list, number]);
    }
    for (const id of Object.keys(expect.attempts ?? {})) step(id, [...pointer, 'expect', 'attempts', id], [], 'key');
    step(expect.failure?.step, [...pointer, 'expect', 'failure', 'step'], ['node', ...ENGINE_WORK]);
    for (const limit of ['downtime', 'duration'] as const) {
      duration(expect[limit]?.min, [...pointer, 'expect', limit, 'min']);
      duration(expect[limit]?.max, [...pointer, 'expect', limit, 'max']);
    }
  }
  return findings;
}

const ID_LISTS = [
  'order',
  'skipped',
  'notReached',
  'undone',
  'leftOver',
] as const satisfies readonly (keyof Expectation)[];
