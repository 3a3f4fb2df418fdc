/** What can go wrong with an image. A code keeps its meaning; `hint` says what a person can do about it. */
export type ImageErrorCode =
  | 'recipe-invalid'
  | 'lock-missing'
  | 'lock-invalid'
  | 'lock-stale'
  | 'cache-unusable'
  | 'tool-missing'
  | 'privilege-missing'
  | 'archive-unreachable'
  | 'package-vanished'
  | 'package-corrupt'
  | 'package-unresolvable'
  | 'command-failed'
  | 'cancelled';

export interface ImageErrorOptions {
  readonly hint?: string;
  readonly cause?: unknown;
}

export class ImageError extends Error {
  readonly code: ImageErrorCode;
  readonly hint: string | undefined;

  constructor(code: ImageErrorCode, message: string, options: ImageErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'ImageError';
    this.code = code;
    this.hint = options.hint;
  }
}

/** A mistake of the recipe's author: where it stands and what was expected. Lines and columns count from 1. */
export interface RecipeDiagnostic {
  readonly file: string;
  readonly line: number;
  readonly col: number;
  readonly message: string;
}

/** All mistakes of a recipe at once; the message has a line `file:line:col: message` for each. */
export class RecipeError extends ImageError {
  readonly diagnostics: readonly RecipeDiagnostic[];

  constructor(diagnostics: readonly RecipeDiagnostic[]) {
    super('recipe-invalid', diagnostics.map((d) => `${d.file}:${d.line}:${d.col}: ${d.message}`).join('\n'));
    this.name = 'RecipeError';
    this.diagnostics = diagnostics;
  }
}
