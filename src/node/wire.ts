/**
 * JSON lines between mvctl and a node's process: `{id, method, params}` one way, `{id, result}` or `{id, error}` back,
 * and notifications `{progress}` and `{console}`. One definition for both ends.
 */
import type { Socket } from 'node:net';
import type { Side } from '../machine/index.ts';

export interface WireRequest {
  readonly id: number;
  readonly method: string;
  readonly params: unknown;
}

export type WireReply =
  | { readonly id: number; readonly result: unknown }
  | { readonly id: number; readonly error: { readonly message: string } }
  | { readonly progress: string }
  /** Bytes of a guest's UART, as base64. */
  | { readonly console: { readonly side: Side; readonly base64: string } };

/** A line longer than this is a protocol error: no legitimate message comes near it. */
const LINE_BYTES_MAX = 64 * 1024 * 1024;

/** Calls `onMessage` for each complete line; a line that is not JSON or too long destroys the socket with an error. */
export function receiveLines(socket: Socket, onMessage: (message: unknown) => void): void {
  let parts: string[] = [];
  let length = 0;
  socket.setEncoding('utf8');
  socket.on('data', (chunk: string) => {
    let rest = chunk;
    for (let end = rest.indexOf('\n'); end >= 0; end = rest.indexOf('\n')) {
      parts.push(rest.slice(0, end));
      rest = rest.slice(end + 1);
      const line = parts.join('');
      parts = [];
      length = 0;
      try {
        onMessage(JSON.parse(line));
      } catch (cause) {
        socket.destroy(
          new Error(`a message on the node's socket could not be handled: ${line.slice(0, 80)}`, { cause }),
        );
        return;
      }
    }
    parts.push(rest);
    length += rest.length;
    if (length > LINE_BYTES_MAX)
      socket.destroy(new Error(`a message on the node's socket exceeds ${LINE_BYTES_MAX} bytes`));
  });
}

export function sendLine(socket: Socket, message: WireRequest | WireReply): void {
  if (!socket.destroyed) socket.write(`${JSON.stringify(message)}\n`);
}
