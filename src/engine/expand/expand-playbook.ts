/** Stage 2: fragments and loops of a playbook of the right shape are written out. */
import { posix } from 'node:path';
import type { DiagnosticCode } from '../diagnostics/codes.ts';
import { type Diagnostic, type Finding, isError, type Pointer } from '../diagnostics/diagnostic.ts';
import { typeOfAll } from '../expression/cel-value.ts';
import type { Calendar } from '../generated/calendar.ts';
import type { Fragment } from '../generated/fragment.ts';
import type { Playbook, Step, Window } from '../generated/playbook.ts';
import type { Json } from '../node-port.ts';
import { parseYaml, type SourceFile } from '../parse/parse-yaml.ts';
import { checkShape } from '../validate/check-schema.ts';
import type { CalendarTimes } from '../values/calendar.ts';
import { calendarTimes, checkTimes, timesOf } from './calendars.ts';
import type { Expanded, ExpandedPhase, ExpandedScope, ExpandedStep, PlainStep, Round } from './expanded.ts';
import { checkFragment } from './fragment-shape.ts';
import { type LoopValues, roundsOf } from './loop-rounds.ts';
import { bindParameters, withWrittenOut } from './parameters.ts';

export interface ExpandOptions {
  /** Content of a file by its path relative to the playbook. Throws where it cannot be read. */
  readonly readFile?: ((path: string) => Uint8Array) | undefined;
  /** Values of variables; where one is missing its default counts. */
  readonly vars?: { readonly [name: string]: Json };
}

/** Fragments in fragments. */
const DEPTH_MAX = 8;
/** Steps of a playbook written out. */
const STEPS_MAX = 2_000;

/** Keys of a step that mean something where it includes others. */
const WITH_INCLUDE = new Set(['id', 'name', 'include', 'with', 'when', 'unless', 'needs', 'forEach']);

export function expandPlaybook(source: SourceFile, playbook: Playbook, options: ExpandOptions = {}): Expanded {
  return new Expander(source, playbook, options).expand();
}

/** Steps in one list of a file, and where they are used. */
interface StepList {
  readonly steps: readonly Step[];
  readonly source: SourceFile;
  readonly pointer: Pointer;
  readonly scope: ExpandedScope;
  /** Comes before their ids. */
  readonly prefix: string;
  /** What the first of them needs. */
  readonly needs: readonly string[];
  /** Files that are being written out. */
  readonly within: readonly string[];
  readonly round: Round | null;
}

class Expander {
  readonly #source: SourceFile;
  readonly #playbook: Playbook;
  readonly #options: ExpandOptions;
  readonly #diagnostics: Diagnostic[] = [];
  readonly #files = new Map<string, SourceFile>();
  readonly #scopes = new Map<string, ExpandedScope>();
  #dependsOnVars = false;
  #steps = 0;

  constructor(source: SourceFile, playbook: Playbook, options: ExpandOptions) {
    this.#source = source;
    this.#playbook = playbook;
    this.#options = options;
  }

  expand(): Expanded {
    const source = this.#source;
    const none = {
      parent: null,
      around: null,
      params: {},
      args: {},
      round: null,
      when: null,
      guard: null,
      includedBy: null,
    };
    const scope: ExpandedScope = { id: '', ...none };
    this.#scopes.set(scope.id, scope);
    const phases = this.#playbook.phases.map(({ steps }, index) =>
      this.#list({ ...PLAYBOOK_LIST, steps, source, pointer: ['phases', index, 'steps'], scope }),
    );
    const written: ExpandedPhase[] = this.#playbook.phases.map((phase, index) => ({
      ...phase,
      steps: phases[index]!.map(({ step }) => step),
    }));
    return {
      source,
      written: this.#playbook,
      playbook: { ...this.#playbook, phases: written },
      phases,
      scopes: this.#scopes,
      times: this.#times(),
      files: [...this.#files.values()],
      diagnostics: this.#diagnostics,
      dependsOnVars: this.#dependsOnVars,
      locate: (finding) => locate(source, phases, finding),
    };
  }

  #list(list: StepList): readonly ExpandedStep[] {
    const expanded: ExpandedStep[] = [];
    /** Ids after which a step is over, by its name. */
    const ends = new Map<string, readonly string[]>();
    let before = list.needs;
    for (const [index, step] of list.steps.entries()) {
      const pointer = [...list.pointer, index];
      const needs = step.needs ? this.#needs(step.needs, ends, list, pointer) : before;
      const rounds = this.#rounds(step, list, pointer);
      let last = needs;
      for (const round of rounds) {
        const id = `${list.prefix}${step.id}${round.isLoop ? `:${round.number}` : ''}`;
        const parts = this.#step(step, id, last, { ...list, round: round.round }, pointer);
        expanded.push(...parts);
        last = parts.length > 0 ? [parts.at(-1)!.step.id] : last;
      }
      ends.set(step.id, last);
      before = last;
    }
    return expanded;
  }

  #needs(
    names: readonly string[],
    ends: ReadonlyMap<string, readonly string[]>,
    list: StepList,
    pointer: Pointer,
  ): readonly string[] {
    if (names.length === 0) return list.needs;
    return names.flatMap((name, index) => {
      const end = ends.get(name);
      if (end) return end;
      const message = `expected a step that comes before this one in its phase, found ${JSON.stringify(name)}`;
      const hint = ends.size === 0 ? 'it is the first: remove needs' : `before it: ${[...ends.keys()].join(', ')}`;
      this.#complain(list.source, 'MV0216', message, [...pointer, 'needs', index], hint);
      return [];
    });
  }

  #rounds(step: Step, list: StepList, pointer: Pointer): readonly LoopRound[] {
    if (step.forEach === undefined) return [{ isLoop: false, number: 1, round: list.round }];
    const values: LoopValues = {
      playbook: this.#playbook,
      vars: this.#options.vars ?? {},
      scopes: this.#scopes,
      scope: list.scope,
      round: list.round,
    };
    const rounds = roundsOf(step.forEach, values);
    if ('message' in rounds) {
      this.#complain(list.source, 'MV0217', rounds.message, [...pointer, 'forEach'], rounds.hint);
      return [];
    }
    this.#dependsOnVars ||= rounds.dependsOnVars;
    const type = rounds.type ?? typeOfAll(rounds.items);
    return rounds.items.map((item, index) => ({ isLoop: true, number: index + 1, round: { item, index, type } }));
  }

  #step(step: Step, id: string, needs: readonly string[], list: StepList, pointer: Pointer): readonly ExpandedStep[] {
    this.#steps += 1;
    if (this.#steps > STEPS_MAX) {
      if (this.#steps === STEPS_MAX + 1) {
        const message = `expected at most ${STEPS_MAX} steps with fragments and loops written out`;
        this.#complain(list.source, 'MV0121', message, [...pointer, 'id']);
      }
      return [];
    }
    if (step.include !== undefined) return this.#include(step, step.include, id, needs, list, pointer);
    const { source, scope, round } = list;
    const when = guardOf(step, scope, round);
    const plain = { ...withWrittenOut(step, scope), id, uses: step.uses!, ...(when === null ? {} : { when }) };
    const folder = folderOf(list);
    const at = { scope, namedIn: scope.id, round, needs, source, pointer, folder };
    return [{ step: plain, written: step, name: step.id, ...at, isHidden: false }];
  }

  #include(
    step: Step,
    path: string,
    id: string,
    needs: readonly string[],
    list: StepList,
    pointer: Pointer,
  ): readonly ExpandedStep[] {
    const { source, scope, round } = list;
    const wrong = Object.keys(step).filter((key) => !WITH_INCLUDE.has(key));
    for (const key of wrong) {
      const message = `expected a step that includes a fragment to leave ${key} to the fragment's steps`;
      this.#complain(source, 'MV0123', message, [...pointer, key], 'remove it', 'key');
    }
    const file = posix.join(folderOf(list), path);
    if (list.within.includes(file) || list.within.length > DEPTH_MAX) {
      const message = list.within.includes(file)
        ? `expected fragments that do not include themselves, found ${[...list.within, file].slice(1).join(' → ')}`
        : `expected at most ${DEPTH_MAX} fragments within each other`;
      this.#complain(source, 'MV0121', message, [...pointer, 'include']);
      return [];
    }
    const opened = this.#open(file, source, [...pointer, 'include']);
    const fragment = opened && checkFragment(opened);
    if (!fragment) return [];
    if ('diagnostics' in fragment) {
      this.#diagnostics.push(...fragment.diagnostics);
      return [];
    }
    const bound = bindParameters(fragment, step.with ?? {}, scope);
    for (const { code, message, hint, key } of bound.problems) {
      const at = key === undefined ? [...pointer, 'include'] : [...pointer, 'with', key];
      this.#complain(source, code, message, at, hint);
    }
    if (bound.problems.length > 0) return [];
    const inner: ExpandedScope = {
      id,
      parent: scope.id,
      around: scope,
      params: bound.params,
      args: bound.args,
      round,
      when: conditionOf(step),
      guard: guardOf(step, scope, round),
      includedBy: { step, source, pointer },
    };
    this.#scopes.set(id, inner);
    const steps = this.#list({
      steps: fragment.steps as unknown as readonly Step[],
      source: opened,
      pointer: ['steps'],
      scope: inner,
      prefix: `${id}:`,
      needs,
      within: [...list.within, file],
      round: null,
    });
    return [...steps, this.#end(step, id, fragment, steps, inner, opened, scope)];
  }

  /** What comes after the steps of a fragment: it is over when they all are, and tells its outputs. */
  #end(
    { id: name }: Step,
    id: string,
    { outputs }: Fragment,
    steps: readonly ExpandedStep[],
    scope: ExpandedScope,
    source: SourceFile,
    parent: ExpandedScope,
  ): ExpandedStep {
    const needed = new Set(steps.flatMap(({ needs }) => needs));
    const leaves = steps.map(({ step }) => step.id).filter((stepId) => !needed.has(stepId));
    const when = guardOf({}, scope, null);
    const uses = 'set' as const;
    const step: PlainStep = { id, uses, ...(outputs ? { outputs } : {}), ...(when === null ? {} : { when }) };
    const at = { scope, namedIn: parent.id, round: null, needs: leaves, source, pointer: [], folder: '' };
    return { step, written: step, name, ...at, isHidden: true };
  }

  #times(): Expanded['times'] {
    const times = new Map<Window, CalendarTimes>();
    const { window, phases } = this.#playbook;
    const windows = [
      { window, pointer: ['window'] },
      ...phases.map((phase, index) => ({ window: phase.window, pointer: ['phases', index, 'window'] })),
    ];
    for (const { window: written, pointer } of windows) {
      if (!written) continue;
      const found = this.#timesOf(written, pointer);
      if (found) times.set(written, found);
    }
    return times;
  }

  #timesOf(window: Window, pointer: Pointer): CalendarTimes | undefined {
    const { calendar } = window;
    const own = (['timeZone', 'open', 'closed'] as const).filter((key) => window[key] !== undefined);
    if (calendar !== undefined && own.length > 0) {
      const message = `expected the times in the calendar or here, found both`;
      this.#complain(this.#source, 'MV0213', message, [...pointer, own[0]!], 'remove one of them', 'key');
      return undefined;
    }
    const opened = calendar === undefined ? undefined : this.#open(calendar, this.#source, [...pointer, 'calendar']);
    if (calendar !== undefined && !opened) return undefined;
    if (opened) {
      const shape = checkShape('Calendar', opened.data);
      for (const finding of shape) this.#diagnostics.push(opened.locate(finding));
      if (shape.length > 0) return undefined;
    }
    const written = timesOf(window, opened?.data as Calendar | undefined);
    if (!written) {
      const message = 'expected a calendar, or timeZone and open';
      this.#complain(this.#source, 'MV0213', message, pointer, undefined, 'key');
      return undefined;
    }
    const findings = checkTimes(written, opened ? [] : pointer);
    for (const finding of findings) this.#diagnostics.push((opened ?? this.#source).locate(finding));
    return findings.length > 0 ? undefined : calendarTimes(written);
  }

  #open(file: string, from: SourceFile, pointer: Pointer): SourceFile | undefined {
    const known = this.#files.get(file);
    if (known) return known;
    const { readFile } = this.#options;
    const unreadable = (why: string): undefined => {
      this.#complain(from, 'MV0214', `cannot read ${file}: ${why}`, pointer);
      return undefined;
    };
    if (!readFile) return unreadable('this playbook is checked without other files');
    let content: Uint8Array;
    try {
      content = readFile(file);
    } catch (error) {
      return unreadable((error as Error).message);
    }
    const opened = parseYaml(posix.join(posix.dirname(this.#source.file), file), content);
    this.#diagnostics.push(...opened.diagnostics);
    this.#files.set(file, opened);
    return opened.diagnostics.some(isError) ? undefined : opened;
  }

  #complain(
    source: SourceFile,
    code: DiagnosticCode,
    message: string,
    pointer: Pointer,
    hint?: string,
    at: Finding['at'] = 'value',
  ): void {
    this.#diagnostics.push(source.locate({ code, message, pointer, hint, at }));
  }
}

/** Folder of the file that the list stands in, relative to the playbook. */
const folderOf = ({ within }: StepList): string => posix.dirname(within.at(-1) ?? '');

const PLAYBOOK_LIST = { prefix: '', needs: [], within: [''], round: null } as const;

interface LoopRound {
  readonly isLoop: boolean;
  readonly number: number;
  readonly round: Round | null;
}

/** `when` and `unless` of a step together, or null. */
export function conditionOf({ when, unless }: Pick<Step, 'when' | 'unless'>): string | null {
  if (unless === undefined) return when ?? null;
  return when === undefined ? `!(${unless})` : `(${when}) && !(${unless})`;
}

/** All that has to hold for a step to run, as text that is the same for steps that run together. */
function guardOf(step: Pick<Step, 'when' | 'unless'>, scope: ExpandedScope, round: Round | null): string | null {
  const own = conditionOf(step);
  const inRound = own !== null && round && own.includes('each') ? `${own} of round ${round.index}` : own;
  const around = scope.includedBy ? scope.guard : null;
  if (around === null) return scope.includedBy && inRound !== null ? `${scope.id}: ${inRound}` : inRound;
  return inRound === null ? around : `${around} && ${scope.id}: ${inRound}`;
}

/** Gives a finding its place: what stands in a fragment stands in that file. */
function locate(source: SourceFile, phases: Expanded['phases'], finding: Finding): Diagnostic {
  const [first, phase, second, index, ...rest] = finding.pointer;
  const step = first === 'phases' && second === 'steps' ? phases[Number(phase)]?.[Number(index)] : undefined;
  if (!step) return source.locate(finding);
  // What stands where the fragment is included; its outputs stand in the fragment.
  const includer = step.isHidden && rest[0] !== 'outputs' ? step.scope.includedBy : null;
  if (includer) return includer.source.locate({ ...finding, pointer: [...includer.pointer, ...rest] });
  return step.source.locate({ ...finding, pointer: [...step.pointer, ...rest] });
}
