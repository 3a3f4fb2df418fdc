/** One command to a Valkey or Redis server over one connection of its own, with a deadline in node time. */
import type { ClientStack } from './client-stack.ts';
import type { ProbeOutcome } from './probe-log.ts';
import { RespFormatError, RespReader, type RespReply, respCommand } from './resp.ts';
import type { TcpCloseReason } from './tcp-connection.ts';

export interface ValkeyRequest {
  readonly address: string;
  readonly port: number;
  readonly command: readonly string[];
  /** The whole reply must be there before this node time. */
  readonly deadlineNs: number;
}

export type ValkeyResult =
  | { readonly ok: true; readonly reply: RespReply }
  | { readonly ok: false; readonly outcome: Exclude<ProbeOutcome, 'ok'> };

const OUTCOME_OF_CLOSE: Readonly<Record<TcpCloseReason, Exclude<ProbeOutcome, 'ok'>>> = {
  closed: 'reset',
  refused: 'refused',
  reset: 'reset',
  timeout: 'timeout',
  unreachable: 'unreachable',
  aborted: 'timeout',
};

/** Starts the command now; `done` is called once. */
export function valkeyCommand(stack: ClientStack, request: ValkeyRequest, done: (result: ValkeyResult) => void): void {
  const reader = new RespReader();
  let finished = false;
  const finish = (result: ValkeyResult): void => {
    if (finished) return;
    finished = true;
    cancelDeadline();
    done(result);
  };
  const connection = stack.connect(request, {
    onData: (bytes) => {
      if (finished) return;
      try {
        const reply = reader.push(bytes);
        if (reply === undefined) return;
        finish({ ok: true, reply });
        connection.leave();
      } catch (error) {
        if (!(error instanceof RespFormatError)) throw error;
        finish({ ok: false, outcome: 'bad-content' });
        connection.abort();
      }
    },
    onEnd: () => {
      finish({ ok: false, outcome: 'reset' });
      connection.leave();
    },
    onClose: (reason) => finish({ ok: false, outcome: OUTCOME_OF_CLOSE[reason] }),
  });
  const cancelDeadline = stack.clock.at(request.deadlineNs, () => {
    finish({ ok: false, outcome: 'timeout' });
    connection.abort();
  });
  connection.write(respCommand(request.command));
}
