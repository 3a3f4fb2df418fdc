/** Speaks to the Microvisor through the service mailbox, as the board's service processor would. */
import type { Machine } from '../machine/index.ts';
import {
  type ControlRequest,
  type ControlResponse,
  decodeResponse,
  encodeRequest,
  type MicrovisorStatus,
} from '../microvisor/index.ts';
import type { Executive } from './executive.ts';
import { NodeError } from './node-error.ts';

export type ControlAnswer = Extract<ControlResponse, { ok: true }>;

export class MonitorClient {
  readonly #machine: Machine;
  readonly #executive: Executive;
  /** What the last answer said of the node; every change of hands is an answer. */
  lastStatus: MicrovisorStatus | undefined;

  constructor(machine: Machine, executive: Executive) {
    this.#machine = machine;
    this.#executive = executive;
  }

  /** Lets the node run until M-mode has answered. @throws NodeError `refused` and its relatives; nothing changed then. */
  async request(request: ControlRequest): Promise<ControlAnswer> {
    const response = await this.#ask(request);
    if (response.ok) {
      this.lastStatus = response.status;
      return response;
    }
    const { code, message } = response.error;
    switch (code) {
      case 'not-virtualized':
      case 'already-virtualized':
        throw new NodeError(code, message);
      case 'no-such-vm':
        throw new NodeError('no-such-guest', message);
      default:
        throw new NodeError('refused', `${request.op}: ${message} (${code})`);
    }
  }

  async #ask(request: ControlRequest): Promise<ControlResponse> {
    const bytes = await this.#executive.drive(
      new Promise<Uint8Array>((resolve) => {
        this.#machine.postMailbox(encodeRequest(request), this.#executive.pausing(resolve));
      }),
    );
    // The firmware gives the request back while it boots an OS: the one there was has reset the board.
    if (bytes.length === 0) throw new NodeError('guest-not-running', `${request.op}: the node is booting its OS`);
    return decodeResponse(bytes);
  }
}
