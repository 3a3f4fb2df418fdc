/**
 * The protocol of Valkey and Redis: commands as arrays of bulk strings, replies of five types. [RESP] "RESP protocol
 * description", version 2. Everything is bounded: the peer is what is being measured.
 */

export type RespReply =
  | { readonly type: 'simple' | 'error' | 'bulk'; readonly text: string }
  | { readonly type: 'integer'; readonly value: number }
  | { readonly type: 'null' }
  | { readonly type: 'array'; readonly items: readonly RespReply[] };

export class RespFormatError extends Error {
  override readonly name = 'RespFormatError';
}

const LINE_BYTES_MAX = 1024;
const BULK_BYTES_MAX = 128 * 1024;
const ITEMS_MAX = 65_536;
/** Of a whole reply: 256 records that are read back are a tenth of it. */
const REPLY_BYTES_MAX = 256 * 1024;
/** Arrays in arrays; no command that is sent here is answered with more than one. */
const DEPTH_MAX = 8;
const CR = 0x0d;
const LF = 0x0a;

export function respCommand(words: readonly string[]): Uint8Array {
  const encoder = new TextEncoder();
  const bulk = (word: string): string => `$${encoder.encode(word).length}\r\n${word}\r\n`;
  return encoder.encode(`*${words.length}\r\n${words.map(bulk).join('')}`);
}

/** Feed it with `push`; it returns the reply once it is complete. */
export class RespReader {
  #input = new Uint8Array(0);

  /** @throws RespFormatError when it is no reply or exceeds a limit. */
  push(bytes: Uint8Array): RespReply | undefined {
    const input = new Uint8Array(this.#input.length + bytes.length);
    input.set(this.#input);
    input.set(bytes, this.#input.length);
    this.#input = input;
    const reply = readReply(input, 0, 0)?.reply;
    if (reply === undefined && input.length > REPLY_BYTES_MAX) {
      throw new RespFormatError(`a reply is longer than ${REPLY_BYTES_MAX} bytes`);
    }
    return reply;
  }
}

interface Read {
  readonly reply: RespReply;
  readonly end: number;
}

/** Undefined: not all of it has arrived. */
function readReply(input: Uint8Array, start: number, depth: number): Read | undefined {
  const line = readLine(input, start);
  if (line === undefined) return undefined;
  const [kind, text] = [line.text.slice(0, 1), line.text.slice(1)];
  switch (kind) {
    case '+':
      return { reply: { type: 'simple', text }, end: line.end };
    case '-':
      return { reply: { type: 'error', text }, end: line.end };
    case ':':
      return { reply: { type: 'integer', value: integer(text, Number.MAX_SAFE_INTEGER) }, end: line.end };
    case '$':
      return readBulk(input, line.end, integer(text, BULK_BYTES_MAX));
    case '*':
      return readArray(input, line.end, integer(text, ITEMS_MAX), depth + 1);
    default:
      throw new RespFormatError(`expected a reply, found '${line.text.slice(0, 32)}'`);
  }
}

function readBulk(input: Uint8Array, start: number, bytes: number): Read | undefined {
  if (bytes < 0) return { reply: { type: 'null' }, end: start };
  const end = start + bytes + 2;
  if (input.length < end) return undefined;
  if (input[end - 2] !== CR || input[end - 1] !== LF) throw new RespFormatError('a bulk string is longer than it says');
  return { reply: { type: 'bulk', text: new TextDecoder().decode(input.subarray(start, end - 2)) }, end };
}

function readArray(input: Uint8Array, start: number, count: number, depth: number): Read | undefined {
  if (depth > DEPTH_MAX) throw new RespFormatError(`more than ${DEPTH_MAX} arrays in one another`);
  if (count < 0) return { reply: { type: 'null' }, end: start };
  const items: RespReply[] = [];
  let end = start;
  while (items.length < count) {
    const item = readReply(input, end, depth);
    if (item === undefined) return undefined;
    items.push(item.reply);
    end = item.end;
  }
  return { reply: { type: 'array', items }, end };
}

function readLine(input: Uint8Array, start: number): { readonly text: string; readonly end: number } | undefined {
  const lf = input.indexOf(LF, start);
  if (lf < 0) {
    if (input.length - start > LINE_BYTES_MAX)
      throw new RespFormatError(`a line is longer than ${LINE_BYTES_MAX} bytes`);
    return undefined;
  }
  if (input[lf - 1] !== CR) throw new RespFormatError('a line ends without a carriage return');
  return { text: new TextDecoder().decode(input.subarray(start, lf - 1)), end: lf + 1 };
}

function integer(text: string, max: number): number {
  const value = Number(text);
  if (/^-?\d+$/.test(text) && value <= max) return value;
  throw new RespFormatError(`expected a number of at most ${max}, found '${text.slice(0, 32)}'`);
}
