/**
 * A client that keeps its connection: a request, its answer, a pause, the next request on the same connection. A server
 * may end the connection with an answer (`Connection: close`) or between two requests, [RFC 9112] 9.6; then the next
 * request opens another one. A request that is under way when the connection ends has failed; nothing is tried again.
 */
import type { ClientStack } from '../client-stack.ts';
import { httpRequestBytes } from '../http-client.ts';
import { HttpFormatError, type HttpResponse, HttpResponseReader } from '../http-response.ts';
import { type Expectation, judgeResponse } from '../outcome.ts';
import type { ProbeOutcome } from '../probe-log.ts';
import type { TcpConnection } from '../tcp-connection.ts';
import type { LoadLog } from './load-log.ts';

export interface KeepAliveClientOptions {
  readonly stack: ClientStack;
  readonly log: LoadLog;
  readonly target: { readonly address: string; readonly port: number; readonly path: string };
  readonly expect: Expectation;
  readonly deadlineNs: number;
  /** Between two requests, on average; each pause is between half of it and one and a half. */
  readonly intervalNs: number;
  /** Uniform in [0, 1). */
  readonly random: () => number;
}

interface Request {
  readonly atNs: number;
  readonly reader: HttpResponseReader;
  readonly cancelDeadline: () => void;
}

export class KeepAliveClient {
  readonly #options: KeepAliveClientOptions;
  #connection: TcpConnection | undefined;
  #request: Request | undefined;
  #cancelNext: (() => void) | undefined;
  #stopped = false;

  constructor(options: KeepAliveClientOptions) {
    this.#options = options;
  }

  start(): void {
    const { stack, intervalNs, random } = this.#options;
    const atNs = stack.clock.now() + Math.ceil(intervalNs * (0.5 + random()));
    this.#cancelNext = stack.clock.at(atNs, () => this.#begin());
  }

  stop(): void {
    this.#stopped = true;
    this.#cancelNext?.();
    if (this.#request === undefined) this.#leave();
  }

  #begin(): void {
    const { stack, target, deadlineNs } = this.#options;
    const atNs = stack.clock.now();
    const cancelDeadline = stack.clock.at(atNs + deadlineNs, () => this.#fail('timeout'));
    this.#request = { atNs, reader: new HttpResponseReader(), cancelDeadline };
    const bytes = httpRequestBytes({ ...target, connection: 'keep-alive' });
    // What is written before the connection is open goes out when it is.
    (this.#connection ?? this.#connect()).write(bytes);
  }

  #connect(): TcpConnection {
    const connection = this.#options.stack.connect(this.#options.target, {
      onData: (bytes) => this.#take(connection, (reader) => reader.push(bytes)),
      onEnd: () => this.#onEnd(connection),
      onClose: (reason) =>
        this.#onClose(connection, reason === 'refused' || reason === 'unreachable' ? reason : 'reset'),
    });
    this.#connection = connection;
    return connection;
  }

  #take(connection: TcpConnection, read: (reader: HttpResponseReader) => HttpResponse | undefined): void {
    const request = this.#request;
    if (connection !== this.#connection || request === undefined) return;
    try {
      const response = read(request.reader);
      if (response === undefined) return;
      if (response.headers.get('connection')?.toLowerCase() === 'close') this.#leave();
      this.#settle(request, judgeResponse(response, this.#options.expect));
    } catch (error) {
      if (!(error instanceof HttpFormatError)) throw error;
      this.#fail('bad-content');
    }
  }

  #onEnd(connection: TcpConnection): void {
    if (connection !== this.#connection) return;
    const request = this.#request;
    if (request === undefined) this.#leave();
    else if (request.reader.started) {
      this.#take(connection, (reader) => reader.end());
      if (connection === this.#connection) this.#leave(); // the answer had no length, and its end was this one
    } else this.#fail('reset');
  }

  #onClose(connection: TcpConnection, outcome: ProbeOutcome): void {
    if (connection !== this.#connection) return;
    this.#connection = undefined;
    if (this.#request !== undefined) this.#settle(this.#request, outcome);
  }

  /** Ends the connection in good order. */
  #leave(): void {
    this.#connection?.leave();
    this.#connection = undefined;
  }

  #fail(outcome: ProbeOutcome): void {
    const connection = this.#connection;
    this.#connection = undefined;
    connection?.abort();
    if (this.#request !== undefined) this.#settle(this.#request, outcome);
  }

  #settle({ atNs, cancelDeadline }: Request, outcome: ProbeOutcome): void {
    const { stack, log } = this.#options;
    cancelDeadline();
    this.#request = undefined;
    log.append({ kind: 'keepAlive', atNs, outcome, latencyNs: stack.clock.now() - atNs });
    if (this.#stopped) this.#leave();
    else this.start();
  }
}
