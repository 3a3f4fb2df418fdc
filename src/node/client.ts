/** A NodePort whose node lives in another process. */
import { Buffer } from 'node:buffer';
import { connect, type Socket } from 'node:net';
import {
  type ActOutcome,
  type ActRequest,
  type FirstEnd,
  type MicrovisorMeasurement,
  type NodePort,
  type NodeStatus,
  type NodeTimeline,
  NodeUnreachable,
  type ProbeAnswer,
  type ServiceMeasurement,
} from '../engine/port.ts';
import type { Side } from '../machine/index.ts';
import type { NodeTop } from './top.ts';
import { receiveLines, sendLine, type WireReply } from './wire.ts';

export interface RemoteNode extends NodePort {
  /** Powers the node off and ends its process: it is gone afterwards, so that another can be started. */
  shutDown(): Promise<void>;
  /** What it tells of itself now. */
  top(): Promise<NodeTop>;
  onConsole(listener: (side: Side, bytes: Uint8Array) => void): () => void;
  /** To the OS that the node boots. */
  consoleInput(text: string): Promise<void>;
  /** Resolves when the node's process has ended, or this connection has been closed. */
  readonly gone: Promise<void>;
  /** `image` is the path of a read-only disk image. A disk of that name and another image is replaced, unless it is in use: false. */
  insertDisk(name: string, image: string): Promise<boolean>;
}

export async function connectToNode(socketPath: string): Promise<RemoteNode> {
  const socket = await open(socketPath);
  let lastId = 0;
  const waiting = new Map<number, { resolve: (value: never) => void; reject: (error: Error) => void }>();
  const listeners = new Set<(line: string) => void>();
  const consoles = new Set<(side: Side, bytes: Uint8Array) => void>();

  receiveLines(socket, (message) => {
    const reply = message as WireReply;
    if ('progress' in reply) {
      for (const listener of listeners) listener(reply.progress);
      return;
    }
    if ('console' in reply) {
      const { side, base64 } = reply.console;
      for (const listener of consoles) listener(side, Buffer.from(base64, 'base64'));
      return;
    }
    const call = waiting.get(reply.id);
    waiting.delete(reply.id);
    if ('error' in reply) call?.reject(new NodeUnreachable(`the node failed: ${reply.error.message}`));
    else call?.resolve(reply.result as never);
  });
  const gone = (): void => {
    for (const { reject } of waiting.values()) reject(new NodeUnreachable("the node's process has gone away"));
    waiting.clear();
  };
  const closed = new Promise<void>((resolve) => socket.once('close', () => resolve()));
  socket.on('close', gone);
  socket.on('error', gone);

  const call = <T>(method: string, params: unknown = {}, signal?: AbortSignal): Promise<T> =>
    new Promise<T>((resolve, reject) => {
      if (socket.destroyed) {
        reject(new NodeUnreachable("the node's process has gone away"));
        return;
      }
      lastId += 1;
      waiting.set(lastId, { resolve, reject });
      signal?.addEventListener('abort', () => reject(signal.reason), { once: true });
      sendLine(socket, { id: lastId, method, params });
    });

  return {
    status: () => call<NodeStatus>('status'),
    fence: (epoch) => call('fence', { epoch }),
    act: (request: ActRequest, signal) => call<ActOutcome>('act', request, signal),
    actAny: (requests, untilNs) => call<FirstEnd | null>('actAny', { requests, untilNs }),
    probe: (key) => call<ProbeAnswer>('probe', { key }),
    waitUntil: (ns, signal) => call('waitUntil', { ns }, signal),
    measureService: (fromNs, toNs) => call<ServiceMeasurement>('measureService', { fromNs, toNs }),
    measureMicrovisor: (fromNs, toNs) => call<MicrovisorMeasurement>('measureMicrovisor', { fromNs, toNs }),
    measureTimeline: (fromNs, toNs) => call<NodeTimeline>('measureTimeline', { fromNs, toNs }),
    onProgress: (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    onConsole: (listener) => {
      consoles.add(listener);
      return () => consoles.delete(listener);
    },
    shutDown: async () => {
      await call('shutDown');
      await closed;
    },
    top: () => call<NodeTop>('top'),
    consoleInput: (text) => call('consoleInput', { text }),
    gone: closed,
    insertDisk: (name, image) => call('insertDisk', { name, image }),
    close: async () => {
      socket.destroy();
    },
  };
}

function open(socketPath: string): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect(socketPath);
    socket.once('connect', () => {
      socket.removeAllListeners('error');
      resolve(socket);
    });
    socket.once('error', (cause) => reject(new NodeUnreachable(`no node answers at ${socketPath}`, { cause })));
  });
}
