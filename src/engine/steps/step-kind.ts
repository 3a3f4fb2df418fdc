/**
 * What a row of the step table says. From the rows come the schema of `with`, the static checks, the arguments of the
 * primitive, the undo, the dry run's priors and the table in docs/playbook.md.
 */
import type { DiagnosticCode } from '../diagnostics/codes.ts';
import type { ValueType } from '../expression/cel-value.ts';
import type { Json } from '../node-port.ts';
import type { GuestName, PrimitiveName, Primitives } from '../primitives.ts';

export type ArgType =
  /** `old` or `new`; always written out, because the static checks follow the guests. */
  | 'guest'
  /** A name that is written out for the same reason. */
  | 'name'
  | 'string'
  | 'int'
  | 'bool'
  | 'duration'
  | 'list<string>'
  | 'list<int>'
  | 'map<string, string>'
  /** A CEL expression without `${{ }}`. */
  | 'expression'
  /** Path of a file, relative to the playbook; its content becomes part of the plan. */
  | 'file';

export interface ArgSpec {
  readonly type: ArgType;
  readonly summary: string;
  readonly required?: true;
  /** The value where the playbook gives none; a duration as text. */
  readonly default?: Json;
  /** A secret may stand in it. */
  readonly maySecret?: true;
  /** The text goes to a shell as a program: no expression may be spliced into it. */
  readonly isShell?: true;
  readonly min?: number;
  readonly max?: number;
  /** Regular expression the text must match, and what it means. */
  readonly pattern?: { readonly source: string; readonly means: string };
}

/** Arguments after expressions and defaults: durations are milliseconds. */
export type StepArgs = { readonly [name: string]: Json };

export type NodeCall = {
  [Name in PrimitiveName]: { readonly primitive: Name; readonly args: Primitives[Name]['args'] };
}[PrimitiveName];

export type StepCall =
  /** The node does it. */
  | { readonly by: 'node'; readonly call: (args: StepArgs) => NodeCall }
  /** A condition over what is known. */
  | { readonly by: 'assert' }
  /** Node time passes. */
  | { readonly by: 'pause' }
  /** Outputs only. */
  | { readonly by: 'set' };

export type UndoRule =
  /** What takes the step back where the playbook says nothing. */
  | {
      readonly how: 'default';
      readonly uses: string;
      readonly call: (args: StepArgs, result: StepArgs | undefined) => NodeCall;
    }
  /** There is nothing to take back, and why. */
  | { readonly how: 'nothing'; readonly because: string }
  /** Only the author knows: the step needs `undo`, be it `none`. In a guest that `vm.create` made, destroying it is enough. */
  | { readonly how: 'ask' };

/**
 * A fact about the node that the order check follows, e.g. `virtualized`, `exists:new`, `disk:spare`. `{guest}` stands for
 * the argument of that name, `{serving}` for the guest that has the service.
 */
export type FactName = string;

export interface Requirement {
  readonly fact: FactName;
  readonly is: boolean;
  readonly code: DiagnosticCode;
  readonly message: string;
  readonly hint: string;
  /** Checked only where the argument has this value. */
  readonly whereArg?: { readonly name: string; readonly is: Json };
}

export interface Effect {
  readonly fact: FactName;
  readonly becomes: boolean;
}

export interface StepKind {
  readonly name: string;
  readonly summary: string;
  readonly args: { readonly [name: string]: ArgSpec };
  readonly does: StepCall;
  readonly outputs: { readonly [name: string]: { readonly type: ValueType; readonly summary: string } };
  /** Where the step gives no timeout; `must` = the step has to. */
  readonly timeoutMs: number | 'must';
  readonly undo: UndoRule;
  /** A failure means that nothing was done, so that there is nothing to take back. */
  readonly atomic: boolean;
  /** What it did is gone when the node loses power, so that nothing is left to take back. */
  readonly volatile: boolean | ((args: StepArgs) => boolean);
  readonly requires: readonly Requirement[];
  readonly effects: readonly Effect[];
  /**
   * A guess, used where no run was measured. `downtimeMs`: beyond what follows from its effect on the model. `spread`: how
   * much it varies between runs, as a share of its time (standard deviation); what a few runs that happen to be alike are
   * not believed to fall short of. A thousandth where absent: work on a node that does the same each time.
   */
  readonly prior: { readonly ms: number; readonly downtimeMs?: number; readonly spread?: number };
}

/**
 * Whether what the step does ends with the guest it does it in: `new` exists because `vm.create` made it in this run, and
 * taking that back destroys it. It may not even answer any more.
 */
export const goesWithItsVm = (kind: StepKind, guest: unknown): boolean => guest === 'new' && kind.name !== 'vm.create';

/** Whether nothing is left of what the step did with these arguments when the node has lost its power. */
export const isVolatile = ({ volatile }: StepKind, args: StepArgs): boolean =>
  typeof volatile === 'function' ? volatile(args) : volatile;

export const textArg = (args: StepArgs, name: string): string => {
  const value = args[name];
  if (typeof value !== 'string') throw new TypeError(`argument ${name}: expected text, found ${JSON.stringify(value)}`);
  return value;
};

export const guestArg = (args: StepArgs, name = 'guest'): GuestName => textArg(args, name) as GuestName;

export const numberArg = (args: StepArgs, name: string): number => {
  const value = args[name];
  if (typeof value !== 'number')
    throw new TypeError(`argument ${name}: expected a number, found ${JSON.stringify(value)}`);
  return value;
};

export const listArg = <Item extends Json>(args: StepArgs, name: string): readonly Item[] => {
  const value = args[name];
  if (!Array.isArray(value)) throw new TypeError(`argument ${name}: expected a list, found ${JSON.stringify(value)}`);
  return value as readonly Item[];
};

/** The node does it: `argsOf` makes the primitive's arguments of those of the step. */
export const node = <Name extends PrimitiveName>(primitive: Name, argsOf: ArgsOf<Name>): StepCall => ({
  by: 'node',
  call: (args) => ({ primitive, args: argsOf(args, undefined) }) as NodeCall,
});

/** Taken back by the step of that name, which is that of its primitive. */
export const undoneBy = <Name extends PrimitiveName>(uses: Name, argsOf: ArgsOf<Name>): UndoRule => ({
  how: 'default',
  uses,
  call: (args, result) => ({ primitive: uses, args: argsOf(args, result) }) as NodeCall,
});

type ArgsOf<Name extends PrimitiveName> = (args: StepArgs, result: StepArgs | undefined) => Primitives[Name]['args'];

/** Arguments of a primitive that is for one guest. */
export const forGuest = (args: StepArgs): { readonly guest: GuestName } => ({ guest: guestArg(args) });

/** The arguments of a step in a guest. */
export const GUEST = { type: 'guest', summary: 'the guest', required: true } as const satisfies ArgSpec;
export const DISK = { type: 'name', summary: 'name of a disk of the node', required: true } as const satisfies ArgSpec;

/** Of a step with which another guest takes over from this one. */
export const LEAVES_DOWN = {
  type: 'bool',
  summary: 'the other OS will serve next: this one is not asked where it is down, and stays down',
  default: false,
} as const satisfies ArgSpec;

/** A step that leaves nothing behind. */
export const leavesNothing = (because: string): Pick<StepKind, 'undo' | 'atomic' | 'volatile' | 'effects'> => ({
  undo: { how: 'nothing', because },
  atomic: true,
  volatile: true,
  effects: [],
});

export const LOOKS_ONLY = leavesNothing('it only looks');

export const NO_ARGS = {};
