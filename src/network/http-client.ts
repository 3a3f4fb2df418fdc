/** One HTTP/1.1 GET over one connection of its own, with a deadline in node time. */
import type { ClientStack } from './client-stack.ts';
import {
  HTTP_LIMITS,
  HttpFormatError,
  type HttpLimits,
  type HttpResponse,
  HttpResponseReader,
} from './http-response.ts';
import type { TcpCloseReason, TcpConnection } from './tcp-connection.ts';

export interface HttpGetRequest {
  readonly address: string;
  readonly port: number;
  /** Starts with `/`. */
  readonly path: string;
  /** Host field; the address when absent. */
  readonly host?: string;
  /** The whole answer must be there before this node time. */
  readonly deadlineNs: number;
  readonly limits?: HttpLimits;
}

/**
 * `timeout`: nothing complete before the deadline; `refused`: no one listens; `reset`: the connection was reset or ended
 * before any answer; `unreachable`: no one has the address; `malformed`: not HTTP, cut short, or too long.
 */
type HttpFailure = 'timeout' | 'refused' | 'reset' | 'unreachable' | 'malformed';

export type HttpResult =
  | { readonly ok: true; readonly response: HttpResponse; readonly latencyNs: number }
  | { readonly ok: false; readonly failure: HttpFailure; readonly message: string; readonly latencyNs: number };

const FAILURE_OF_CLOSE: Readonly<Record<TcpCloseReason, HttpFailure>> = {
  closed: 'reset',
  refused: 'refused',
  reset: 'reset',
  timeout: 'timeout',
  unreachable: 'unreachable',
  aborted: 'timeout',
};

const PATH = /^\/[!-~]*$/;

export interface HttpRequestLine {
  readonly address: string;
  readonly path: string;
  readonly host?: string;
  readonly connection: 'close' | 'keep-alive';
}

/** @throws RangeError for a path that is none. */
export function httpRequestBytes({ address, path, host, connection }: HttpRequestLine): Uint8Array {
  if (!PATH.test(path)) throw new RangeError(`a path is '/' and visible ASCII, not '${path}'`);
  const lines = [`GET ${path} HTTP/1.1`, `Host: ${host ?? address}`, 'User-Agent: mvctl', 'Accept: */*'];
  return new TextEncoder().encode(`${[...lines, `Connection: ${connection}`].join('\r\n')}\r\n\r\n`);
}

/** Starts the request now; `done` is called once. Returns how to give it up (`done` is not called then). */
export function httpGet(stack: ClientStack, request: HttpGetRequest, done: (result: HttpResult) => void): () => void {
  return new HttpExchange(stack, request, done).start();
}

class HttpExchange {
  readonly #stack: ClientStack;
  readonly #request: HttpGetRequest;
  readonly #done: (result: HttpResult) => void;
  readonly #reader: HttpResponseReader;
  readonly #startNs: number;
  #finished = false;

  constructor(stack: ClientStack, request: HttpGetRequest, done: (result: HttpResult) => void) {
    this.#stack = stack;
    this.#request = request;
    this.#done = done;
    this.#reader = new HttpResponseReader(request.limits ?? HTTP_LIMITS);
    this.#startNs = stack.clock.now();
  }

  start(): () => void {
    const { clock } = this.#stack;
    const bytes = httpRequestBytes({ ...this.#request, connection: 'close' });
    const connection = this.#stack.connect(this.#request, {
      onOpen: () => connection.write(bytes),
      onData: (bytes) => this.#read(connection, () => this.#reader.push(bytes)),
      onEnd: () => this.#onEnd(connection),
      onClose: (reason) => this.#fail(FAILURE_OF_CLOSE[reason], `the connection is ${reason}`),
    });
    const cancelDeadline = clock.at(this.#request.deadlineNs, () => {
      this.#fail('timeout', 'no complete answer before the deadline');
      connection.abort();
    });
    this.#cancelDeadline = cancelDeadline;
    return () => {
      this.#finished = true;
      cancelDeadline();
      connection.abort();
    };
  }

  #cancelDeadline: () => void = () => {};

  #read(connection: TcpConnection, read: () => HttpResponse | undefined): void {
    if (this.#finished) return;
    try {
      const response = read();
      if (response === undefined) return;
      this.#finish({ ok: true, response, latencyNs: this.#latencyNs() });
      connection.leave();
    } catch (error) {
      if (!(error instanceof HttpFormatError)) throw error;
      this.#fail('malformed', error.message);
      connection.abort();
    }
  }

  #onEnd(connection: TcpConnection): void {
    if (this.#reader.started) this.#read(connection, () => this.#reader.end());
    else {
      this.#fail('reset', 'the connection ended before an answer');
      connection.leave();
    }
  }

  #fail(failure: HttpFailure, message: string): void {
    this.#finish({ ok: false, failure, message, latencyNs: this.#latencyNs() });
  }

  #latencyNs(): number {
    return this.#stack.clock.now() - this.#startNs;
  }

  #finish(result: HttpResult): void {
    if (this.#finished) return;
    this.#finished = true;
    this.#cancelDeadline();
    this.#done(result);
  }
}
