/**
 * What travels between us and a QEMU guest agent: one JSON object a line, and the sentinel byte 0xFF that resets a
 * parser. Source: [QGA] "guest-sync-delimited" and the general format of [QMP].
 */

/** An answer's content before anyone has looked at it. */
export type AgentValue = unknown;

/**
 * `timeout`: no answer before the deadline; `refused`: the agent answered with an error (`class` and `desc` of it);
 * `protocol`: the answer is not what the protocol says; `gone`: the connection was dropped from our side; `hangs`: what is
 * answered at once was not.
 */
export type GuestAgentErrorCode = 'timeout' | 'refused' | 'protocol' | 'gone' | 'hangs';

export class GuestAgentError extends Error {
  override readonly name = 'GuestAgentError';
  readonly code: GuestAgentErrorCode;
  /** The agent's error class (`GenericError`, `CommandNotFound`, ...) when `code` is `refused`. */
  readonly agentClass: string | undefined;

  constructor(code: GuestAgentErrorCode, message: string, agentClass?: string) {
    super(message);
    this.code = code;
    this.agentClass = agentClass;
  }
}

/** Two streams of 16 MiB, the most the agent captures of a command, in base64. */
const LINE_BYTES_MAX = 48 * 1024 * 1024;
const SENTINEL = 0xff;
const LINE_FEED = 0x0a;

export interface AgentLine {
  /** The sentinel byte came right before. */
  readonly afterSentinel: boolean;
  readonly text: string;
}

/** Cuts the agent's output into lines. What stands before a sentinel is dropped: it belongs to an earlier talk. */
export class AgentLineReader {
  /** The line so far is in its first `#bytes` bytes. An agent may say it a byte at a time. */
  #line = new Uint8Array(0);
  #bytes = 0;
  #afterSentinel = false;

  *push(output: Uint8Array): Generator<AgentLine> {
    let rest = output;
    while (rest.length > 0) {
      const end = rest.findIndex((byte) => byte === SENTINEL || byte === LINE_FEED);
      if (end < 0) {
        this.#keep(rest);
        return;
      }
      if (rest[end] === LINE_FEED) {
        this.#keep(rest.subarray(0, end));
        const line = { afterSentinel: this.#afterSentinel, text: this.#take() };
        this.#afterSentinel = false;
        if (line.text !== '') yield line;
      } else {
        this.reset();
        this.#afterSentinel = true;
      }
      rest = rest.subarray(end + 1);
    }
  }

  reset(): void {
    this.#line = new Uint8Array(0);
    this.#bytes = 0;
    this.#afterSentinel = false;
  }

  #keep(part: Uint8Array): void {
    const bytes = this.#bytes + part.length;
    if (bytes > LINE_BYTES_MAX) {
      throw new GuestAgentError('protocol', `the agent's answer is longer than ${LINE_BYTES_MAX} bytes`);
    }
    if (bytes > this.#line.length) {
      const longer = new Uint8Array(Math.max(bytes, 2 * this.#line.length));
      longer.set(this.#line.subarray(0, this.#bytes));
      this.#line = longer;
    }
    this.#line.set(part, this.#bytes);
    this.#bytes = bytes;
  }

  #take(): string {
    const text = Buffer.from(this.#line.buffer, 0, this.#bytes).toString('utf8');
    this.#line = new Uint8Array(0);
    this.#bytes = 0;
    return text;
  }
}

const SEEN_CHARS_MAX = 120;
const REASON_CHARS_MAX = 1000;

/** What a guest says in place of something else, for a message: whatever it is, as much of it as a person reads. */
export function seen(value: unknown): string {
  try {
    return String(JSON.stringify(value)).slice(0, SEEN_CHARS_MAX);
  } catch {
    return 'something nested too deep';
  }
}

const reasonOf = (value: unknown): string =>
  typeof value === 'string' ? value.slice(0, REASON_CHARS_MAX) : seen(value);

/** @throws GuestAgentError `refused` for an error answer, `protocol` for what is no answer. */
export function answerOf(command: string, text: string): AgentValue {
  const answer = asObject(command, parseJson(command, text));
  if (Object.hasOwn(answer, 'return')) return answer['return'];
  const error = asObject(command, answer['error']);
  const { class: agentClass, desc } = error as { class?: unknown; desc?: unknown };
  throw new GuestAgentError('refused', `${command}: ${reasonOf(desc)}`, reasonOf(agentClass));
}

function parseJson(command: string, text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new GuestAgentError('protocol', `${command}: expected JSON, found ${text.slice(0, SEEN_CHARS_MAX)}`);
  }
}

// What follows reads one member of an answer, or says what it found in its place.

export type AgentObject = Readonly<Record<string, unknown>>;

const wrong = (command: string, expected: string, found: unknown): GuestAgentError =>
  new GuestAgentError('protocol', `${command}: expected ${expected}, found ${seen(found)}`);

export function asObject(command: string, value: unknown): AgentObject {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as AgentObject;
  throw wrong(command, 'an object', value);
}

export function asArray(command: string, value: unknown): readonly unknown[] {
  if (Array.isArray(value)) return value;
  throw wrong(command, 'an array', value);
}

export function asInteger(command: string, value: unknown): number {
  if (Number.isSafeInteger(value)) return value as number;
  throw wrong(command, 'an integer', value);
}

export function asString(command: string, value: unknown): string {
  if (typeof value === 'string') return value;
  throw wrong(command, 'a string', value);
}

export function asBoolean(command: string, value: unknown): boolean {
  if (typeof value === 'boolean') return value;
  throw wrong(command, 'a boolean', value);
}

/** A member that may be absent. */
export const optional = <T>(
  command: string,
  value: unknown,
  read: (command: string, value: unknown) => T,
): T | undefined => (value === undefined ? undefined : read(command, value));
