/** Stage 3: a checked playbook and the values of a run to a plan. */
import { createHash } from 'node:crypto';
import { basename } from 'node:path';
import type { DiagnosticCode } from '../diagnostics/codes.ts';
import { type Diagnostic, type Pointer, severityOf } from '../diagnostics/diagnostic.ts';
import { didYouMean } from '../diagnostics/suggest.ts';
import { type ContextName, ExpressionFailure, NOTHING_DECLARED, Scope, type Values } from '../expression/scope.ts';
import type { Load, Phase, Playbook, Step } from '../generated/playbook.ts';
import type { Json } from '../node-port.ts';
import type { SourceFile } from '../parse/parse-yaml.ts';
import type { LoadSpec } from '../primitives.ts';
import { type ArgSpec, goesWithItsVm, type StepKind } from '../steps/step-kind.ts';
import { stepKind } from '../steps/table.ts';
import { type Outline, type OutlinedStep, outlineOf } from '../validate/outline.ts';
import { variableTypes } from '../validate/playbook-expressions.ts';
import { parseBytes } from '../values/bytes.ts';
import { DURATION_HINTS, parseDuration } from '../values/duration.ts';
import { canonicalJson, deepFreeze } from '../values/json.ts';
import { checkVariableValue, readVariableText, type VariableType } from '../values/variable.ts';
import {
  PLAYBOOK_SCOPE,
  type Plan,
  type PlanContent,
  type PlannedArgs,
  type PlannedCall,
  type PlannedPhase,
  type PlannedRetry,
  type PlannedStep,
  type PlannedValue,
} from './plan.ts';
import { planValue } from './planned-value.ts';

export interface PlanOptions {
  /** Values of `--var NAME=VALUE`, as text. */
  readonly vars?: { readonly [name: string]: string };
  /** Content of a file that the playbook names, by its path relative to the playbook. */
  readonly readFile?: (path: string) => Uint8Array;
}

export type Planned =
  | { readonly plan: Plan; readonly problems: readonly [] }
  | { readonly plan: undefined; readonly problems: readonly Diagnostic[] };

const DEFAULT_SERVICE = {
  protocol: 'http',
  port: 80,
  path: '/',
  interval: '10ms',
  deadline: '1s',
  status: 200,
  contains: '',
} as const;

export function makePlan(playbook: Playbook, source: SourceFile, options: PlanOptions = {}): Planned {
  const problems: Diagnostic[] = [];
  const vars = planVars(playbook, options.vars ?? {}, problems);
  if (problems.length > 0) return { plan: undefined, problems };
  const planner = new Planner(playbook, source, vars, options, problems);
  const content = planner.plan();
  if (problems.length > 0) return { plan: undefined, problems };
  const sha256 = createHash('sha256').update(canonicalJson(content)).digest('hex');
  return { plan: deepFreeze({ ...content, sha256 }), problems: [] };
}

type PlanVars = { [name: string]: { readonly type: VariableType; readonly value: Json } };

function planVars(playbook: Playbook, given: { readonly [name: string]: string }, problems: Diagnostic[]): PlanVars {
  const declared = Object.entries(playbook.vars ?? {}).flatMap(([name, row]) => (row ? [[name, row] as const] : []));
  const complain = (message: string, hint?: string): void => {
    const place = { line: 1, col: 1, endLine: 1, endCol: 1 };
    const code = 'MV0215';
    problems.push({ code, severity: severityOf(code), file: '--var', place, message, ...(hint ? { hint } : {}) });
  };
  const names = declared.map(([name]) => name);
  for (const name of Object.keys(given)) {
    if (!names.includes(name))
      complain(`the playbook has no variable ${JSON.stringify(name)}`, didYouMean(name, names));
  }
  const vars: PlanVars = {};
  for (const [name, { type, default: fallback }] of declared) {
    const text = given[name];
    const value = text === undefined ? fallback : readVariableText(type, text);
    if (value === undefined) {
      complain(`${name} has no value and no default`, `give it with --var ${name}=…`);
      continue;
    }
    const problem = checkVariableValue(type, value);
    if (problem === undefined) vars[name] = { type, value: value as Json };
    else complain(`${name}: ${problem}`);
  }
  return vars;
}

class Planner {
  readonly #playbook: Playbook;
  readonly #source: SourceFile;
  readonly #vars: PlanVars;
  readonly #options: PlanOptions;
  readonly #problems: Diagnostic[];
  readonly #scope: Scope;
  readonly #values: Values;

  constructor(playbook: Playbook, source: SourceFile, vars: PlanVars, options: PlanOptions, problems: Diagnostic[]) {
    this.#playbook = playbook;
    this.#source = source;
    this.#vars = vars;
    this.#options = options;
    this.#problems = problems;
    this.#scope = new Scope({ ...NOTHING_DECLARED, contexts: ['vars'], vars: variableTypes(playbook) });
    this.#values = {
      vars: Object.fromEntries(Object.entries(vars).map(([name, { value }]) => [name, value])),
      params: {},
      each: null,
      facts: {},
      steps: {},
      run: { id: '' },
      phase: { id: '' },
    };
  }

  plan(): PlanContent {
    const { name, service, node, report } = this.#playbook;
    const outline = outlineOf(this.#playbook);
    return {
      version: 1,
      name,
      file: basename(this.#source.file),
      playbookSha256: createHash('sha256').update(this.#source.text).digest('hex'),
      files: [],
      vars: this.#vars,
      secrets: {},
      scopes: { [PLAYBOOK_SCOPE]: { parent: null, params: {}, each: null } },
      node: {
        image: node?.image ?? null,
        bankBytes: parseBytes(node?.bank) ?? null,
        harts: node?.harts ?? null,
        disks: (node?.disks ?? []).map(({ name, image, attached }) => ({ name, image, attached: attached === true })),
      },
      service: {
        protocol: service?.protocol ?? DEFAULT_SERVICE.protocol,
        port: service?.port ?? DEFAULT_SERVICE.port,
        path: this.#text(service?.path ?? DEFAULT_SERVICE.path, ['service', 'path']),
        intervalMs: this.#durationMs(service?.interval ?? DEFAULT_SERVICE.interval, ['service', 'interval']),
        deadlineMs: this.#durationMs(service?.deadline ?? DEFAULT_SERVICE.deadline, ['service', 'deadline']),
        expectStatus: service?.expect?.status ?? DEFAULT_SERVICE.status,
        expectContains: this.#text(service?.expect?.contains ?? DEFAULT_SERVICE.contains, [
          'service',
          'expect',
          'contains',
        ]),
        load: this.#load(service?.load),
      },
      packages: report?.packages ?? [],
      budget: null,
      outputs: {},
      phases: this.#phases(outline),
    };
  }

  #load(load: Load | undefined): LoadSpec | null {
    if (load === undefined) return null;
    const { requestsPerSecond = 0, keepAlive, downloads } = load;
    return {
      requestsPerSecond,
      keepAlive: {
        connections: keepAlive?.connections ?? 0,
        intervalMs: keepAlive
          ? this.#durationMs(keepAlive.interval, ['service', 'load', 'keepAlive', 'interval'])
          : 1_000,
      },
      downloads: {
        connections: downloads?.connections ?? 0,
        path: downloads?.path ?? '/',
        bytesPerSecond: downloads?.bytesPerSecond ?? 1_000,
        sha256: downloads?.sha256 ?? '',
      },
    };
  }

  #phases(outline: Outline): readonly PlannedPhase[] {
    let index = 0;
    let isAfterCommit = false;
    return this.#playbook.phases.map((phase, phaseIndex) => {
      const steps: PlannedStep[] = [];
      const own = outline.steps.filter((step) => step.phase === phase);
      // Criteria of phases before have indices too.
      const shift = index - (own[0]?.index ?? 0);
      for (const outlined of own) {
        steps.push(this.#step(outlined, index++, shift));
        isAfterCommit = outlined.isAfterCommit || outlined.step.uses === 'commit';
      }
      steps.push(...this.#criteria(phase, phaseIndex, index, isAfterCommit));
      index += phase.verify?.length ?? 0;
      const timeoutMs =
        phase.timeout === undefined ? null : this.#durationMs(phase.timeout, ['phases', phaseIndex, 'timeout']);
      const line = this.#lineOf(['phases', phaseIndex]);
      const { id, title = id } = phase;
      return { id, title, timeoutMs, window: null, gate: null, budget: null, retry: null, steps, line };
    });
  }

  #step({ step, kind, phase, pointer, isAfterCommit, needs }: OutlinedStep, index: number, shift: number): PlannedStep {
    const timeout = step.timeout;
    return {
      index,
      id: step.id,
      name: step.id,
      scope: PLAYBOOK_SCOPE,
      namedIn: PLAYBOOK_SCOPE,
      title: step.name ?? kind.summary.replace(/[.;].*$/, ''),
      uses: kind.name,
      phase: phase.id,
      with: this.#args(kind, step.with ?? {}, [...pointer, 'with']),
      when: step.when ?? null,
      doneIf: null,
      needs: needs.map((need) => need + shift),
      each: null,
      timeoutMs: timeout === undefined ? defaultTimeoutMs(kind) : this.#durationMs(timeout, [...pointer, 'timeout']),
      expectedMs: step.expected === undefined ? null : this.#durationMs(step.expected, [...pointer, 'expected']),
      retry: this.#retry(step, pointer),
      onFailure: step.onFailure ?? (isAfterCommit ? 'pause' : 'rollback'),
      undo: this.#undo(step, kind, pointer),
      outputs: Object.fromEntries(
        Object.entries(step.outputs ?? {}).map(([name, text]) => [
          name,
          planValue(text, (source) => this.#now(source)),
        ]),
      ),
      isAfterCommit,
      isHidden: false,
      file: basename(this.#source.file),
      line: this.#lineOf(pointer),
    };
  }

  /** Exit criteria become assertions at the end of their phase. */
  #criteria(phase: Phase, phaseIndex: number, from: number, isAfterCommit: boolean): readonly PlannedStep[] {
    return (phase.verify ?? []).map(({ that, message }, index) => ({
      index: from + index,
      id: `${phase.id}:verify-${index + 1}`,
      name: '',
      scope: PLAYBOOK_SCOPE,
      namedIn: null,
      title: that,
      uses: 'assert',
      phase: phase.id,
      with: {
        that: { as: 'value', value: that },
        message: message === undefined ? { as: 'value', value: '' } : planValue(message, (source) => this.#now(source)),
      },
      when: null,
      doneIf: null,
      needs: [from + index - 1],
      each: null,
      timeoutMs: defaultTimeoutMs(stepKind('assert')),
      expectedMs: null,
      retry: NO_RETRY,
      onFailure: isAfterCommit ? 'pause' : 'rollback',
      undo: 'none',
      outputs: {},
      isAfterCommit,
      isHidden: true,
      file: basename(this.#source.file),
      line: this.#lineOf(['phases', phaseIndex, 'verify', index]),
    }));
  }

  #args(kind: StepKind, given: { readonly [name: string]: unknown }, pointer: Pointer): PlannedArgs {
    const args: { [name: string]: PlannedValue } = {};
    for (const [name, spec] of Object.entries(kind.args)) {
      const value = given[name] ?? spec.default;
      if (value !== undefined) args[name] = this.#arg(spec, value, [...pointer, name]);
    }
    return args;
  }

  #arg(spec: ArgSpec, value: unknown, pointer: Pointer): PlannedValue {
    switch (spec.type) {
      // A condition stays an expression; guests, names and scripts are what they are.
      case 'expression':
      case 'guest':
      case 'name':
        return { as: 'value', value: value as Json };
      case 'file':
        return { as: 'value', value: this.#fileBase64(String(value), pointer) };
      case 'duration': {
        const planned = planValue(value, (source) => this.#now(source));
        if (planned.as !== 'value') return planned;
        return { as: 'value', value: this.#durationMs(planned.value, pointer) };
      }
      default:
        return planValue(value, (source) => this.#now(source));
    }
  }

  #retry(step: Step, pointer: Pointer): PlannedStep['retry'] {
    if (step.retry === undefined) return NO_RETRY;
    const at = [...pointer, 'retry'];
    const { attempts, delay, backoff } = step.retry;
    const delayMs = delay === undefined ? 0 : this.#durationMs(delay, [...at, 'delay']);
    return {
      attempts,
      delayMs,
      factor: backoff?.factor ?? 1,
      delayMsMax:
        backoff?.max === undefined ? RETRY_DELAY_MS_MAX : this.#durationMs(backoff.max, [...at, 'backoff', 'max']),
      jitter: 0,
      durationMsMax: null,
      on: null,
    };
  }

  #undo(step: Step, kind: StepKind, pointer: Pointer): PlannedStep['undo'] {
    if (step.undo === undefined) {
      return kind.undo.how === 'default' && !goesWithItsVm(kind, step.with?.['guest']) ? 'default' : 'none';
    }
    if (step.undo === 'none') return 'none';
    const undoKind = stepKind(step.undo.uses);
    const at = [...pointer, 'undo'];
    const undo: PlannedCall = {
      uses: undoKind.name,
      with: this.#args(undoKind, step.undo.with ?? {}, [...at, 'with']),
      timeoutMs:
        step.undo.timeout === undefined
          ? defaultTimeoutMs(undoKind)
          : this.#durationMs(step.undo.timeout, [...at, 'timeout']),
    };
    return undo;
  }

  #durationMs(text: Json | undefined, pointer: Pointer): number {
    const planned = planValue(text, (source) => this.#now(source));
    const value = planned.as === 'value' ? planned.value : undefined;
    const ms = parseDuration(value);
    if (typeof ms === 'number') return ms;
    this.#complain('MV0115', `expected a duration, found ${JSON.stringify(value)}`, pointer, DURATION_HINTS[ms]);
    return 0;
  }

  #text(text: string, pointer: Pointer): string {
    const planned = planValue(text, (source) => this.#now(source));
    if (planned.as === 'value' && typeof planned.value === 'string') return planned.value;
    this.#complain('MV0103', 'expected text', pointer);
    return '';
  }

  #fileBase64(path: string, pointer: Pointer): string {
    try {
      if (this.#options.readFile === undefined) throw new Error('no files can be read here');
      return Buffer.from(this.#options.readFile(path)).toString('base64');
    } catch (error) {
      this.#complain('MV0214', `cannot read ${path}: ${(error as Error).message}`, pointer);
      return '';
    }
  }

  /** The value of an expression over variables, or undefined for one that has to wait. */
  #now(source: string): Json | undefined {
    const checked = this.#scope.check(source);
    const wanted: readonly ContextName[] = ['vars'];
    if (!checked.ok || [...checked.roots].some((root) => !wanted.includes(root as ContextName))) return undefined;
    try {
      return this.#scope.evaluate(source, this.#values);
    } catch (error) {
      // Tried again when the step runs, where the failure has a place in the run.
      if (error instanceof ExpressionFailure) return undefined;
      throw error;
    }
  }

  #complain(code: DiagnosticCode, message: string, pointer: Pointer, hint?: string): void {
    this.#problems.push(this.#source.locate({ code, message, pointer, ...(hint === undefined ? {} : { hint }) }));
  }

  #lineOf(pointer: Pointer): number {
    return this.#source.locate({ code: 'MV0100', message: '', pointer }).place.line;
  }
}

const RETRY_DELAY_MS_MAX = 3_600_000;
const NO_RETRY: PlannedRetry = {
  attempts: 1,
  delayMs: 0,
  factor: 1,
  delayMsMax: RETRY_DELAY_MS_MAX,
  jitter: 0,
  durationMsMax: null,
  on: null,
};

/** For kinds whose steps must say it: long enough for an undo that uses them. */
const UNSAID_TIMEOUT_MS = 60_000;
const defaultTimeoutMs = (kind: StepKind): number => (kind.timeoutMs === 'must' ? UNSAID_TIMEOUT_MS : kind.timeoutMs);
