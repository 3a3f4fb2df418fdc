/** What the world did, on its way to the engine: becomes the `error` of an act's outcome. */
import { FAILURE_CODES, type FailureCode, type Json } from '../engine/port.ts';

export class NodeError extends Error {
  override readonly name = 'NodeError';
  readonly code: FailureCode;
  readonly details: Json | undefined;

  constructor(code: FailureCode, message: string, details?: Json) {
    super(message);
    this.code = code;
    this.details = details;
  }

  get retryable(): boolean {
    return FAILURE_CODES[this.code].retryable;
  }
}
