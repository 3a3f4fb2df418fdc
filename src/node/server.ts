/**
 * Serves one NodePort to any number of drivers over a Unix socket, one after another or at once. A driver that goes
 * away in the middle of an act does not stop the act: it is finished, recorded, and found by `probe`.
 */
import { Buffer } from 'node:buffer';
import { existsSync, unlinkSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import type { ActRequest, NodePort } from '../engine/port.ts';
import type { Side } from '../machine/index.ts';
import type { NodeTop } from './top.ts';
import { receiveLines, sendLine, type WireReply, type WireRequest } from './wire.ts';

/** What a node's process serves beyond the port of the engine. */
export interface ServedNode extends NodePort {
  shutDown(): Promise<void>;
  /** What a side's UART sends; returns how to stop listening. */
  onConsole(listener: (side: Side, bytes: Uint8Array) => void): () => void;
  /** Keys for the OS that the node boots. */
  consoleInput(text: string): void;
  top(): Promise<NodeTop>;
  /** Puts a disk made from an image into the node, under a name that guests may attach it by; false: one of that name is in use. */
  insertDisk(name: string, image: string): boolean;
}

export function serveNode(node: ServedNode, socketPath: string, onShutDown: () => void): Promise<Server> {
  if (existsSync(socketPath)) unlinkSync(socketPath);
  const server = createServer((socket) => {
    const stopProgress = node.onProgress((progress) => notify(socket, { progress }));
    const stopConsole = node.onConsole((side, bytes) =>
      notify(socket, { console: { side, base64: Buffer.from(bytes).toString('base64') } }),
    );
    const stop = (): void => {
      stopProgress();
      stopConsole();
    };
    socket.on('close', stop);
    socket.on('error', stop);
    receiveLines(socket, (message) => {
      if (typeof message !== 'object' || message === null) throw new TypeError('a request is an object');
      void answer(node, socket, message as WireRequest).then((ended) => {
        if (ended) onShutDown();
      });
    });
  });
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(socketPath, () => resolve(server));
  });
}

/** What a driver that stands still (Ctrl-Z, a pager) has not read; what comes then it does not get. */
const UNREAD_BYTES_MAX = 4 * 1024 * 1024;

function notify(socket: Socket, notification: WireReply): void {
  if (socket.writableLength < UNREAD_BYTES_MAX) sendLine(socket, notification);
}

async function answer(node: ServedNode, socket: Socket, { id, method, params }: WireRequest): Promise<boolean> {
  try {
    const result = await dispatch(node, method, params as never);
    sendLine(socket, { id, result: result ?? null });
    return method === 'shutDown';
  } catch (error) {
    // Whatever is thrown here is a defect of ours: what the world did is a value. The node's log keeps the place.
    console.error(error);
    const message = error instanceof Error ? error.message : String(error);
    sendLine(socket, { id, error: { message } });
    return false;
  }
}

function dispatch(node: ServedNode, method: string, params: { readonly [name: string]: never }): Promise<unknown> {
  switch (method) {
    case 'status':
      return node.status();
    case 'fence':
      return node.fence(params['epoch']!);
    case 'act':
      return node.act(params as unknown as ActRequest);
    case 'actAny':
      return node.actAny(params['requests']!, params['untilNs']!);
    case 'probe':
      return node.probe(params['key']!);
    case 'waitUntil':
      return node.waitUntil(params['ns']!);
    case 'measureService':
      return node.measureService(params['fromNs']!, params['toNs']!);
    case 'measureMicrovisor':
      return node.measureMicrovisor(params['fromNs']!, params['toNs']!);
    case 'measureTimeline':
      return node.measureTimeline(params['fromNs']!, params['toNs']!);
    case 'top':
      return node.top();
    case 'shutDown':
      return node.shutDown();
    case 'consoleInput':
      return Promise.resolve(node.consoleInput(params['text']!));
    case 'insertDisk':
      return Promise.resolve(node.insertDisk(params['name']!, params['image']!));
    default:
      return Promise.reject(new Error(`a node has no method ${method}`));
  }
}
