/** Stage 4: a checked playbook and the values of a run to a plan. */
import { createHash } from 'node:crypto';
import { posix } from 'node:path';
import type { DiagnosticCode } from '../diagnostics/codes.ts';
import type { Diagnostic, Pointer } from '../diagnostics/diagnostic.ts';
import { conditionOf, expandPlaybook } from '../expand/expand-playbook.ts';
import type { Expanded, ExpandedPhase, ExpandedStep, PlainStep } from '../expand/expanded.ts';
import type { Load, Undo } from '../generated/playbook.ts';
import type { Json } from '../node-port.ts';
import type { SourceFile } from '../parse/parse-yaml.ts';
import type { LoadSpec } from '../primitives.ts';
import { type ArgSpec, goesWithItsVm, type StepKind } from '../steps/step-kind.ts';
import { stepKind } from '../steps/table.ts';
import { type Outline, type OutlinedStep, outlineOf } from '../validate/outline.ts';
import { errorsWithValues } from '../validate/validate-playbook.ts';
import { parseBytes } from '../values/bytes.ts';
import { DURATION_HINTS, parseDuration } from '../values/duration.ts';
import { canonicalJson, deepFreeze } from '../values/json.ts';
import { KnownValues, plannedRound } from './known-values.ts';
import {
  hiddenStepId,
  PLAYBOOK_SCOPE,
  type Plan,
  type PlanContent,
  type PlannedArgs,
  type PlannedCall,
  type PlannedPhase,
  type PlannedStep,
  type PlannedValue,
} from './plan.ts';
import { NO_RETRY, planBudget, planGate, planRetry, planWindow, type Settings } from './plan-settings.ts';
import { planVariables } from './plan-variables.ts';
import { type EvaluateNow, planValue } from './planned-value.ts';

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

/** A kernel that links a large module lets nobody else run for more than a second. */
const DEFAULT_HANG = '2s';

/** `checked` is what the validation gave. */
export function makePlan(checked: Outline, options: PlanOptions = {}): Planned {
  const { vars, problems: wrong } = planVariables(checked.playbook, options.vars ?? {});
  if (wrong.length > 0) return { plan: undefined, problems: wrong };
  const problems: Diagnostic[] = [];
  const planner = new Planner(withValues(checked, vars, options, problems), vars, options, problems);
  const content = planner.plan();
  if (problems.length > 0) return { plan: undefined, problems };
  return { plan: deepFreeze({ ...content, sha256: sha256(canonicalJson(content)) }), problems: [] };
}

/** Loops over variables have as many rounds as their values say: each is checked like those of the defaults. */
function withValues(
  checked: Outline,
  vars: PlanContent['vars'],
  { readFile }: PlanOptions,
  problems: Diagnostic[],
): Outline {
  const { source, dependsOnVars, written } = checked.expanded;
  if (!dependsOnVars) return checked;
  const values = Object.fromEntries(Object.entries(vars).map(([name, { value }]) => [name, value]));
  const expanded = expandPlaybook(source, written, { readFile, vars: values });
  // Another number of rounds is another playbook.
  problems.push(...errorsWithValues(expanded));
  return outlineOf(expanded);
}

const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex');

/** The steps of a phase while its plan is made. */
interface PhasePlan {
  readonly steps: PlannedStep[];
  /** Position in the plan by position in the outline. */
  readonly planned: ReadonlyMap<number, number>;
  readonly phase: ExpandedPhase;
  readonly pointer: Pointer;
  isAfterCommit: boolean;
}

class Planner {
  readonly #outline: Outline;
  readonly #vars: PlanContent['vars'];
  readonly #known: KnownValues;
  readonly #options: PlanOptions;
  readonly #problems: Diagnostic[];
  readonly #settings: Settings;

  constructor(outline: Outline, vars: PlanContent['vars'], options: PlanOptions, problems: Diagnostic[]) {
    this.#outline = outline;
    this.#vars = vars;
    this.#known = new KnownValues(vars, outline.expanded.scopes);
    this.#options = options;
    this.#problems = problems;
    this.#settings = this.#settingsOf(this.#playbookNow);
  }

  plan(): PlanContent {
    const { playbook, expanded } = this.#outline;
    const { name, service, node, report, secrets = {}, budget, outputs = {} } = playbook;
    return {
      version: 1,
      name,
      file: fileOf(this.#outline.expanded, expanded.source),
      playbookSha256: sha256(expanded.source.text),
      files: expanded.files.map((source) => ({ file: fileOf(expanded, source), sha256: sha256(source.text) })),
      vars: this.#vars,
      secrets: secrets as PlanContent['secrets'],
      scopes: this.#known.scopes(),
      node: {
        image: node?.image ?? null,
        bankBytes: parseBytes(node?.bank) ?? null,
        harts: node?.harts ?? null,
        disks: (node?.disks ?? []).map(({ name, image, attached }) => ({ name, image, attached: attached === true })),
      },
      hangMs: this.#settings.durationMs(node?.hang ?? DEFAULT_HANG, ['node', 'hang']),
      service: {
        protocol: service?.protocol ?? DEFAULT_SERVICE.protocol,
        port: service?.port ?? DEFAULT_SERVICE.port,
        path: this.#text(service?.path ?? DEFAULT_SERVICE.path, ['service', 'path']),
        intervalMs: this.#positiveMs(service?.interval ?? DEFAULT_SERVICE.interval, ['service', 'interval']),
        deadlineMs: this.#positiveMs(service?.deadline ?? DEFAULT_SERVICE.deadline, ['service', 'deadline']),
        expectStatus: service?.expect?.status ?? DEFAULT_SERVICE.status,
        expectContains: this.#text(service?.expect?.contains ?? DEFAULT_SERVICE.contains, [
          'service',
          'expect',
          'contains',
        ]),
        load: this.#load(service?.load),
      },
      packages: report?.packages ?? [],
      budget: planBudget(budget, this.#settings, ['budget']),
      outputs: this.#values(outputs, this.#playbookNow),
      phases: this.#phases(),
    };
  }

  #load(load: Load | undefined): LoadSpec | null {
    if (load === undefined) return null;
    const { requestsPerSecond = 0, keepAlive, downloads } = load;
    const at = ['service', 'load', 'keepAlive', 'interval'];
    return {
      requestsPerSecond,
      keepAlive: {
        connections: keepAlive?.connections ?? 0,
        intervalMs: keepAlive ? this.#positiveMs(keepAlive.interval, at) : 1_000,
      },
      downloads: {
        connections: downloads?.connections ?? 0,
        path: downloads?.path ?? '/',
        bytesPerSecond: downloads?.bytesPerSecond ?? 1_000,
        sha256: downloads?.sha256 ?? '',
      },
    };
  }

  #phases(): readonly PlannedPhase[] {
    const { playbook, expanded, steps } = this.#outline;
    let index = 0;
    let isAfterCommit = false;
    return playbook.phases.map((phase, phaseIndex): PlannedPhase => {
      const own = steps.filter((step) => step.phase === phase);
      const hasUndo = typeof phase.undo === 'object';
      const first = index + (hasUndo || own.length === 0 ? 1 : 0);
      const pointer = ['phases', phaseIndex];
      const planned = new Map(own.map((step, position) => [step.index, first + position] as const));
      const at: PhasePlan = { steps: [], planned, phase, pointer, isAfterCommit };
      if (hasUndo || own.length === 0) at.steps.push(this.#begin(at, index));
      for (const outlined of own) {
        at.steps.push(this.#step(outlined, at));
        at.isAfterCommit = outlined.isAfterCommit || outlined.step.uses === 'commit';
      }
      this.#criteria(at, first + own.length);
      const isLast = phaseIndex === playbook.phases.length - 1;
      const ends = [phase.budget, isLast ? playbook.budget : undefined].some(
        (budget) => budget && budget.action !== 'warn',
      );
      if (ends) at.steps.push(this.#end(at, index + at.steps.length));
      index += at.steps.length;
      // The window of the playbook is that of its begin.
      const window = phaseIndex === 0 ? (phase.window ?? playbook.window) : phase.window;
      const times = window && expanded.times.get(window);
      const settings = this.#settings;
      const { id, title = id, timeout } = phase;
      const plannedPhase = {
        id,
        title,
        timeoutMs: timeout === undefined ? null : settings.durationMs(timeout, [...pointer, 'timeout']),
        window: planWindow(window, times, isAfterCommit, settings, phase.window ? [...pointer, 'window'] : ['window']),
        gate: planGate(phase.gate, isAfterCommit, settings, [...pointer, 'gate']),
        budget: planBudget(phase.budget, settings, [...pointer, 'budget']),
        retry: phase.retry ? planRetry(phase.retry, settings, [...pointer, 'retry']) : null,
        steps: at.steps,
        line: settings.lineOf(pointer),
      };
      isAfterCommit = at.isAfterCommit;
      return plannedPhase;
    });
  }

  #step(outlined: OutlinedStep, { planned, phase, steps }: PhasePlan): PlannedStep {
    const { step, kind, pointer, isAfterCommit, expanded, needs } = outlined;
    const now = this.#known.at(expanded);
    const settings = this.#settingsOf(now);
    const { timeout, expected, retry } = step;
    return {
      index: planned.get(outlined.index)!,
      id: step.id,
      name: expanded.name,
      scope: expanded.scope.id,
      namedIn: expanded.namedIn,
      title: step.name ?? kind.summary.replace(/[.;].*$/, ''),
      uses: kind.name,
      phase: phase.id,
      with: this.#args(kind, step.with ?? {}, expanded, [...pointer, 'with']),
      when: expanded.isHidden ? null : conditionOf(expanded.written),
      doneIf: step.doneIf ? this.#call(step.doneIf, expanded, [...pointer, 'doneIf']) : null,
      // What a phase begins with comes before all that needs nothing of it.
      needs: needs.length > 0 ? needs.map((need) => planned.get(need)!) : beginOf(steps),
      each: plannedRound(expanded.round),
      timeoutMs: timeout === undefined ? defaultTimeoutMs(kind) : settings.durationMs(timeout, [...pointer, 'timeout']),
      expectedMs: expected === undefined ? null : settings.durationMs(expected, [...pointer, 'expected']),
      retry: retry ? planRetry(retry, settings, [...pointer, 'retry']) : NO_RETRY,
      onFailure: step.onFailure ?? phase.onFailure ?? (isAfterCommit ? 'pause' : 'rollback'),
      undo: phase.undo === undefined ? this.#undo(step, kind, expanded, [...pointer, 'undo']) : 'none',
      outputs: this.#values(step.outputs ?? {}, now),
      isAfterCommit,
      isHidden: expanded.isHidden,
      file: fileOf(this.#outline.expanded, expanded.source),
      line: settings.lineOf(pointer),
    };
  }

  /** A step of the planner's own. */
  #hidden(
    at: PhasePlan,
    index: number,
    id: Parameters<typeof hiddenStepId>[1],
    needs: readonly number[],
    pointer: Pointer,
  ): PlannedStep {
    return {
      index,
      id: hiddenStepId(at.phase.id, id),
      name: '',
      scope: PLAYBOOK_SCOPE,
      namedIn: null,
      title: id,
      uses: 'set',
      phase: at.phase.id,
      with: {},
      when: null,
      doneIf: null,
      needs,
      each: null,
      timeoutMs: defaultTimeoutMs(stepKind('set')),
      expectedMs: null,
      retry: NO_RETRY,
      onFailure: at.isAfterCommit ? 'pause' : 'rollback',
      undo: 'none',
      outputs: {},
      isAfterCommit: at.isAfterCommit,
      isHidden: true,
      file: fileOf(this.#outline.expanded, this.#outline.expanded.source),
      line: this.#settings.lineOf(pointer),
    };
  }

  /** What a phase begins with where its undo takes it back as a whole, or where nothing else is in it. */
  #begin(at: PhasePlan, index: number): PlannedStep {
    const pointer = [...at.pointer, 'undo'];
    const { undo } = at.phase;
    const step = this.#hidden(at, index, 'begin', [], typeof undo === 'object' ? pointer : at.pointer);
    if (typeof undo !== 'object' || at.isAfterCommit) return step;
    const scope = this.#outline.expanded.scopes.get(PLAYBOOK_SCOPE)!;
    return { ...step, undo: this.#call(undo, { scope, round: null, folder: '' }, pointer) };
  }

  /** Exit criteria become assertions after the last steps of their phase. */
  #criteria(at: PhasePlan, from: number): void {
    for (const [position, { that, message }] of (at.phase.verify ?? []).entries()) {
      const pointer = [...at.pointer, 'verify', position];
      const hidden = this.#hidden(at, from + position, `verify-${position + 1}`, leavesOf(at.steps), pointer);
      at.steps.push({
        ...hidden,
        title: that,
        uses: 'assert',
        with: {
          that: { as: 'value', value: that },
          message: message === undefined ? { as: 'value', value: '' } : planValue(message, this.#playbookNow),
        },
      });
    }
  }

  /** A budget may be spent by the last step of a phase: this one finds it. */
  #end(at: PhasePlan, index: number): PlannedStep {
    return this.#hidden(at, index, 'end', leavesOf(at.steps), at.pointer);
  }

  #args(kind: StepKind, given: { readonly [name: string]: unknown }, at: ArgPlace, pointer: Pointer): PlannedArgs {
    const args: { [name: string]: PlannedValue } = {};
    for (const [name, spec] of Object.entries(kind.args)) {
      const value = given[name] ?? spec.default;
      if (value !== undefined) args[name] = this.#arg(spec, value, at, [...pointer, name]);
    }
    return args;
  }

  #arg(spec: ArgSpec, value: unknown, at: ArgPlace, pointer: Pointer): PlannedValue {
    const now = this.#known.at(at);
    switch (spec.type) {
      // A condition stays an expression; guests, names and scripts are what they are.
      case 'expression':
      case 'guest':
      case 'name':
        return { as: 'value', value: value as Json };
      case 'file':
        return { as: 'value', value: this.#fileBase64(posix.join(at.folder, String(value)), pointer) };
      case 'duration': {
        const planned = planValue(value, now);
        if (planned.as !== 'value') return planned;
        return { as: 'value', value: this.#durationOf(planned.value, pointer) };
      }
      default:
        return planValue(value, now);
    }
  }

  #undo(step: PlainStep, kind: StepKind, at: ArgPlace, pointer: Pointer): PlannedStep['undo'] {
    if (step.undo === undefined) {
      return kind.undo.how === 'default' && !goesWithItsVm(kind, step.with?.['guest']) ? 'default' : 'none';
    }
    return step.undo === 'none' ? 'none' : this.#call(step.undo, at, pointer);
  }

  #call({ uses, with: args = {}, timeout }: Exclude<Undo, 'none'>, at: ArgPlace, pointer: Pointer): PlannedCall {
    const kind = stepKind(uses);
    const settings = this.#settingsOf(this.#known.at(at));
    return {
      uses: kind.name,
      with: this.#args(kind, args, at, [...pointer, 'with']),
      timeoutMs: timeout === undefined ? defaultTimeoutMs(kind) : settings.durationMs(timeout, [...pointer, 'timeout']),
    };
  }

  #values(given: { readonly [name: string]: unknown }, now: EvaluateNow): PlannedArgs {
    return Object.fromEntries(Object.entries(given).map(([name, text]) => [name, planValue(text, now)]));
  }

  get #playbookNow(): EvaluateNow {
    const scope = this.#outline.expanded.scopes.get(PLAYBOOK_SCOPE)!;
    return this.#known.at({ scope, round: null });
  }

  #settingsOf(now: EvaluateNow): Settings {
    return {
      durationMs: (text, pointer) => {
        const planned = planValue(text, now);
        return this.#durationOf(planned.as === 'value' ? planned.value : undefined, pointer);
      },
      lineOf: (pointer) => this.#outline.locate({ code: 'MV0100', message: '', pointer }).place.line,
    };
  }

  #durationOf(value: Json | undefined, pointer: Pointer): number {
    const ms = parseDuration(value);
    if (typeof ms === 'number') return ms;
    this.#complain('MV0115', `expected a duration, found ${JSON.stringify(value)}`, pointer, DURATION_HINTS[ms]);
    return 0;
  }

  /** For what is done once in each, or has this time. */
  #positiveMs(text: string, pointer: Pointer): number {
    const problems = this.#problems.length;
    const ms = this.#settings.durationMs(text, pointer);
    if (ms === 0 && this.#problems.length === problems)
      this.#complain('MV0105', 'expected at least 1ms, found none', pointer);
    return ms;
  }

  #text(text: string, pointer: Pointer): string {
    const planned = planValue(text, this.#playbookNow);
    if (planned.as === 'value' && typeof planned.value === 'string') return planned.value;
    this.#complain('MV0103', `expected text, found ${JSON.stringify(text)}`, pointer);
    return '';
  }

  #fileBase64(path: string, pointer: Pointer): string {
    try {
      if (!this.#options.readFile) throw new Error('this plan is made without other files');
      return Buffer.from(this.#options.readFile(path)).toString('base64');
    } catch (error) {
      this.#complain('MV0214', `cannot read ${path}: ${(error as Error).message}`, pointer);
      return '';
    }
  }

  #complain(code: DiagnosticCode, message: string, pointer: Pointer, hint?: string): void {
    this.#problems.push(this.#outline.locate({ code, message, pointer, hint }));
  }
}

/** Where arguments stand: their expressions, and the files they name. */
type ArgPlace = Pick<ExpandedStep, 'scope' | 'round' | 'folder'>;

/** Path of a file, relative to the playbook: the same wherever mvctl is started. */
const fileOf = ({ source }: Expanded, { file }: SourceFile): string => posix.relative(posix.dirname(source.file), file);

/** The step that a phase begins with, where the planner made one. */
const beginOf = ([first]: readonly PlannedStep[]): readonly number[] => (first?.name === '' ? [first.index] : []);

/** Steps that no other one needs. */
function leavesOf(steps: readonly PlannedStep[]): readonly number[] {
  const needed = new Set(steps.flatMap(({ needs }) => needs));
  return steps.map(({ index }) => index).filter((index) => !needed.has(index));
}

/** For kinds whose steps must say it: long enough for an undo that uses them. */
const UNSAID_TIMEOUT_MS = 60_000;
const defaultTimeoutMs = (kind: StepKind): number => (kind.timeoutMs === 'must' ? UNSAID_TIMEOUT_MS : kind.timeoutMs);
