/** Whether an answer is the one that was expected. */
import type { HttpResult } from './http-client.ts';
import type { HttpResponse } from './http-response.ts';
import type { ProbeOutcome } from './probe-log.ts';

export interface Expectation {
  /** Correct status. */
  readonly status: number;
  /** Whether a body is correct; every body is when absent. */
  readonly body?: (body: Uint8Array) => boolean;
}

export function judgeResponse({ status, body }: HttpResponse, expected: Expectation): ProbeOutcome {
  if (status !== expected.status) return 'bad-status';
  return expected.body === undefined || expected.body(body) ? 'ok' : 'bad-content';
}

export function outcomeOf(result: HttpResult, expected: Expectation): ProbeOutcome {
  if (result.ok) return judgeResponse(result.response, expected);
  return result.failure === 'malformed' ? 'bad-content' : result.failure;
}
