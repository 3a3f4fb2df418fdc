/**
 * Reads one HTTP/1.1 response from a stream of bytes: status line, fields, and a body framed by content-length, chunks
 * or the end of the connection. [RFC 9112] 4 to 7. Everything is bounded: the peer is what is being measured.
 */

export interface HttpResponse {
  readonly status: number;
  /** Field names in lower case; of a repeated field the values joined by `, `. */
  readonly headers: ReadonlyMap<string, string>;
  readonly body: Uint8Array;
}

export interface HttpLimits {
  readonly headBytesMax: number;
  readonly bodyBytesMax: number;
}

export const HTTP_LIMITS: HttpLimits = { headBytesMax: 32 * 1024, bodyBytesMax: 4 * 1024 * 1024 };

export class HttpFormatError extends Error {
  override readonly name = 'HttpFormatError';
}

const CHUNK_LINE_BYTES_MAX = 1024;
const STATUS_LINE = /^HTTP\/1\.[01] (\d{3})(?: .*)?$/;
const FIELD_NAME = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;
/** A field that goes on in the next line, [RFC 9112] 5.2: "replace each received obs-fold with one or more SP". */
const FOLD = /\r?\n[ \t]+(?=[^ \t\r\n])/g;
const CHUNK_SIZE = /^0*([0-9a-f]{1,8})[ \t]*(?:;.*)?$/i;

interface Head {
  readonly status: number;
  readonly headers: ReadonlyMap<string, string>;
}

type Framing =
  | { readonly kind: 'length'; readonly bytes: number }
  | { readonly kind: 'chunked' }
  | { readonly kind: 'until-close' };

/** Feed it with `push`, tell it the end of the connection with `end`; both return the response once it is complete. */
export class HttpResponseReader {
  readonly #limits: HttpLimits;
  #input = new Uint8Array(0);
  #head: Head | undefined;
  #body: Uint8Array[] = [];
  #bodyBytes = 0;
  #chunkBytesLeft: number | undefined;
  #trailer = false;
  #response: HttpResponse | undefined;

  constructor(limits: HttpLimits = HTTP_LIMITS) {
    this.#limits = limits;
  }

  /** Any byte of a response was seen. */
  get started(): boolean {
    return this.#head !== undefined || this.#input.length > 0;
  }

  /** @throws HttpFormatError when it is not HTTP/1.1 or exceeds a limit. */
  push(bytes: Uint8Array): HttpResponse | undefined {
    const input = new Uint8Array(this.#input.length + bytes.length);
    input.set(this.#input);
    input.set(bytes, this.#input.length);
    this.#input = input;
    return this.#read(false);
  }

  /** @throws HttpFormatError when the response is cut short. */
  end(): HttpResponse | undefined {
    return this.#read(true);
  }

  #read(ended: boolean): HttpResponse | undefined {
    while (this.#head === undefined && this.#readHead());
    if (this.#response === undefined && this.#head !== undefined && this.#readBody(this.#head, ended)) {
      this.#response = { ...this.#head, body: join(this.#body, this.#bodyBytes) };
    }
    if (ended && this.#response === undefined) throw new HttpFormatError(`the connection ended inside the response`);
    return this.#response;
  }

  /** True when a head was read and it was an interim one (1xx): read another. */
  #readHead(): boolean {
    const end = indexOfBlankLine(this.#input);
    if (end === undefined) {
      if (this.#input.length > this.#limits.headBytesMax) throw tooLong('head', this.#limits.headBytesMax);
      return false;
    }
    if (end > this.#limits.headBytesMax) throw tooLong('head', this.#limits.headBytesMax);
    const head = parseHead(latin1(this.#input.subarray(0, end)));
    this.#input = this.#input.subarray(end);
    if (head.status >= 100 && head.status < 200 && head.status !== 101) return true;
    this.#head = head;
    return false;
  }

  #readBody(head: Head, ended: boolean): boolean {
    const framing = framingOf(head);
    switch (framing.kind) {
      case 'length':
        if (framing.bytes > this.#limits.bodyBytesMax) throw tooLong('body', this.#limits.bodyBytesMax);
        this.#takeBody(Math.min(this.#input.length, framing.bytes - this.#bodyBytes));
        return this.#bodyBytes === framing.bytes;
      case 'chunked':
        return this.#readChunks();
      case 'until-close':
        this.#takeBody(this.#input.length);
        return ended;
    }
  }

  /** [RFC 9112] 7.1. */
  #readChunks(): boolean {
    for (;;) {
      if (this.#chunkBytesLeft !== undefined && this.#chunkBytesLeft > 0) {
        const bytes = Math.min(this.#chunkBytesLeft, this.#input.length);
        if (bytes === 0) return false;
        this.#takeBody(bytes);
        this.#chunkBytesLeft -= bytes;
        continue;
      }
      const line = this.#takeLine();
      if (line === undefined) return false;
      if (this.#trailer) {
        if (line === '') return true;
      } else if (this.#chunkBytesLeft === 0) {
        if (line !== '') throw new HttpFormatError(`expected the end of a chunk, found '${line.slice(0, 32)}'`);
        this.#chunkBytesLeft = undefined;
      } else {
        const size = CHUNK_SIZE.exec(line)?.[1];
        if (size === undefined) throw new HttpFormatError(`expected a chunk size, found '${line.slice(0, 32)}'`);
        this.#chunkBytesLeft = Number.parseInt(size, 16);
        if (this.#chunkBytesLeft === 0) this.#trailer = true;
      }
    }
  }

  #takeLine(): string | undefined {
    const end = this.#input.indexOf(0x0a);
    if (end < 0) {
      if (this.#input.length > CHUNK_LINE_BYTES_MAX) throw tooLong('chunk line', CHUNK_LINE_BYTES_MAX);
      return undefined;
    }
    const line = latin1(this.#input.subarray(0, end)).replace(/\r$/, '');
    this.#input = this.#input.subarray(end + 1);
    return line;
  }

  #takeBody(bytes: number): void {
    if (this.#bodyBytes + bytes > this.#limits.bodyBytesMax) throw tooLong('body', this.#limits.bodyBytesMax);
    if (bytes > 0) this.#body.push(this.#input.slice(0, bytes));
    this.#input = this.#input.subarray(bytes);
    this.#bodyBytes += bytes;
  }
}

const tooLong = (what: string, bytesMax: number): HttpFormatError =>
  new HttpFormatError(`the ${what} of the response is longer than ${bytesMax} bytes`);

const latin1 = (bytes: Uint8Array): string => new TextDecoder('latin1').decode(bytes);

function join(parts: readonly Uint8Array[], bytes: number): Uint8Array {
  const whole = new Uint8Array(bytes);
  let offset = 0;
  for (const part of parts) {
    whole.set(part, offset);
    offset += part.length;
  }
  return whole;
}

/** Offset after the first empty line; lines end in CR LF or, from a lenient sender, LF ([RFC 9112] 2.2). */
function indexOfBlankLine(bytes: Uint8Array): number | undefined {
  for (let lf = bytes.indexOf(0x0a); lf >= 0; lf = bytes.indexOf(0x0a, lf + 1)) {
    const next = bytes[lf + 1] === 0x0d ? lf + 2 : lf + 1;
    if (bytes[next] === 0x0a) return next + 1;
  }
  return undefined;
}

function parseHead(text: string): Head {
  const [statusLine = '', ...lines] = text.replaceAll(FOLD, ' ').split(/\r?\n/);
  const status = STATUS_LINE.exec(statusLine)?.[1];
  if (status === undefined) {
    throw new HttpFormatError(`expected an HTTP/1.1 status line, found '${statusLine.slice(0, 64)}'`);
  }
  const headers = new Map<string, string>();
  for (const line of lines) {
    if (line === '') continue;
    const colon = line.indexOf(':');
    const name = line.slice(0, Math.max(0, colon)).toLowerCase();
    const value = line.slice(colon + 1).trim();
    if (!FIELD_NAME.test(name) || value.includes('\r')) {
      throw new HttpFormatError(`expected a header field, found '${line.slice(0, 64)}'`);
    }
    const before = headers.get(name);
    headers.set(name, before === undefined ? value : `${before}, ${value}`);
  }
  return { status: Number(status), headers };
}

/** How long the body is, [RFC 9112] 6.3, for the answer to a GET. */
function framingOf(head: Head): Framing {
  if (head.status === 204 || head.status === 304) return { kind: 'length', bytes: 0 };
  const encoding = head.headers.get('transfer-encoding');
  if (encoding !== undefined) {
    if (encoding.toLowerCase() === 'chunked') return { kind: 'chunked' };
    throw new HttpFormatError(`expected transfer-encoding 'chunked', found '${encoding}'`);
  }
  const field = head.headers.get('content-length');
  if (field === undefined) return { kind: 'until-close' };
  // 6.3: where "all values in the list are the same", it is that one.
  const lengths = new Set(field.split(',').map((each) => each.trim()));
  const [length] = lengths.size === 1 ? lengths : [field];
  if (length === undefined || !/^\d{1,15}$/.test(length))
    throw new HttpFormatError(`expected a content-length, found '${field}'`);
  return { kind: 'length', bytes: Number(length) };
}
