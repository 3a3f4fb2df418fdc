/**
 * A real TCP port of this computer that leads into the emulated network: for each connection accepted a connection is
 * opened to the target, and bytes go both ways until both sides have ended. For the realtime clock; the one part of the
 * network that is not deterministic, since its clients are not.
 *
 * Invariant: neither direction buffers without bound. A slow guest stops the reading of the socket, a slow socket closes
 * the window of the guest's connection.
 */
import { createServer, type Server, type Socket } from 'node:net';
import type { ClientStack } from './client-stack.ts';
import type { TcpCloseReason, TcpConnection } from './tcp-connection.ts';

export interface ForwarderOptions {
  readonly stack: ClientStack;
  readonly target: { readonly address: string; readonly port: number };
  /** Where to listen; port 0 lets the system choose. Not reachable from other computers unless `host` says so. */
  readonly listen: { readonly host?: string; readonly port: number };
  /** A socket has put something into the emulated network: a node that sleeps should look. */
  readonly onActivity?: () => void;
}

const LOOPBACK = '127.0.0.1';
const CONNECTIONS_MAX = 1024;

export class Forwarder {
  readonly #options: ForwarderOptions;
  readonly #server: Server;
  readonly #flows = new Set<Flow>();

  private constructor(options: ForwarderOptions) {
    this.#options = options;
    this.#server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => this.#accept(socket));
    this.#server.maxConnections = CONNECTIONS_MAX;
  }

  /** Rejects with the system's error when the port cannot be had. */
  static async start(options: ForwarderOptions): Promise<Forwarder> {
    const forwarder = new Forwarder(options);
    await new Promise<void>((resolve, reject) => {
      forwarder.#server.once('error', reject);
      forwarder.#server.listen({ host: LOOPBACK, ...options.listen }, () => resolve());
    });
    return forwarder;
  }

  /** The port it listens on. */
  get port(): number {
    const address = this.#server.address();
    if (address === null || typeof address === 'string') throw new Error('the forwarder is closed');
    return address.port;
  }

  get connections(): number {
    return this.#flows.size;
  }

  /** Stops listening and resets every connection. */
  async close(): Promise<void> {
    for (const flow of this.#flows) flow.abort();
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
  }

  #accept(socket: Socket): void {
    const { stack, target, onActivity } = this.#options;
    const flow: Flow = new Flow(stack, target, socket, {
      onActivity: () => onActivity?.(),
      onGone: () => this.#flows.delete(flow),
    });
    this.#flows.add(flow);
    onActivity?.();
  }
}

interface FlowEvents {
  readonly onActivity: () => void;
  readonly onGone: () => void;
}

/** One accepted connection and the one behind it. */
class Flow {
  readonly #socket: Socket;
  readonly #connection: TcpConnection;
  readonly #events: FlowEvents;
  /** Read from the socket, and no room for it yet. */
  #waiting: Uint8Array | undefined;
  #socketEnded = false;

  constructor(stack: ClientStack, target: ForwarderOptions['target'], socket: Socket, events: FlowEvents) {
    this.#socket = socket;
    this.#events = events;
    this.#connection = stack.connect(target, {
      onData: (bytes) => this.#toSocket(bytes),
      onEnd: () => socket.end(),
      onDrain: () => this.#drain(),
      onClose: (reason) => this.#onClosed(reason),
    });
    socket.on('data', (bytes: Buffer) => this.#toGuest(bytes));
    socket.on('end', () => this.#onSocketEnd());
    socket.on('drain', () => this.#onSocketDrain());
    socket.on('error', () => this.abort());
    socket.on('close', () => this.#onSocketClosed());
  }

  abort(): void {
    this.#socket.destroy();
    this.#connection.abort();
    this.#events.onActivity();
  }

  #toGuest(bytes: Uint8Array): void {
    const taken = this.#connection.write(bytes);
    if (taken < bytes.length) {
      this.#waiting = bytes.subarray(taken);
      this.#socket.pause();
    }
    this.#events.onActivity();
  }

  #drain(): void {
    const bytes = this.#waiting;
    this.#waiting = undefined;
    if (bytes !== undefined) this.#toGuest(bytes);
    if (this.#waiting !== undefined) return;
    if (this.#socketEnded) this.#connection.end();
    else this.#socket.resume();
  }

  #onSocketEnd(): void {
    this.#socketEnded = true;
    if (this.#waiting === undefined) this.#connection.end();
    this.#events.onActivity();
  }

  #toSocket(bytes: Uint8Array): void {
    if (!this.#socket.write(bytes)) this.#connection.pause();
  }

  #onSocketDrain(): void {
    this.#connection.resume();
    this.#events.onActivity();
  }

  #onClosed(reason: TcpCloseReason): void {
    if (reason === 'closed') this.#socket.end();
    else if (!this.#socket.destroyed) this.#socket.resetAndDestroy();
  }

  /** The socket is gone, in good order or not. */
  #onSocketClosed(): void {
    if (!this.#socketEnded || this.#socket.errored !== null) this.#connection.abort();
    else this.#connection.resume();
    this.#events.onGone();
    this.#events.onActivity();
  }
}
