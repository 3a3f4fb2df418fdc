/**
 * One conversation with a QEMU guest agent over a byte port, in node time. What is to be done is a *script*: a generator
 * that yields calls and pauses and is resumed by the agent's answers, inside the machine's run. So a sequence of calls
 * takes the same node time however slow the process around it is; its result is a promise all the same.
 *
 * Invariants:
 * 1. One call is on its way at a time, in the order they were asked for; the agent works the same way.
 * 2. Before the first call, and after one whose answer was not waited for, the stream is synchronised anew, so that a late
 *    answer is never taken for another's ([QGA] "guest-sync-delimited": "It must be issued upon initial connection, and
 *    after any client-side timeouts").
 * 3. A script that asked to be alone with the agent is, until it has had the answer to its next call or is over.
 * 4. A script ends by the machine's output or by node time, never by a wall clock.
 * 5. A call that an agent answers at once, and this one does not in `hangNs` of the guest's own time, ends its script: the
 *    guest hangs. Time in which another guest has its hart is not its own, so that one that is only slow is waited for.
 */
import type { BytePort, NodeTimeNs, Scheduler } from '../machine/index.ts';
import { AgentLineReader, type AgentValue, answerOf, GuestAgentError } from './guest-agent-messages.ts';

const NS_PER_MS = 1_000_000;
/** How long a synchronisation is waited for before it is sent again: an agent that is not there yet loses it. */
const SYNC_RETRY_FIRST_NS = 20 * NS_PER_MS;
const SYNC_RETRY_MAX_NS = 100 * NS_PER_MS;
/** What a script that ran out of time may use to tidy up inside the guest. */
const CLEAN_UP_NS = 5_000 * NS_PER_MS;
/** Between two looks at a guest that is silent and waits for its hart. */
const LOOK_NS_MIN = 10 * NS_PER_MS;
const SYNC_IDS = 0x7fff_ffff;
const CALLS_WAITING_MAX = 1024;

export interface AgentCall {
  readonly kind: 'call';
  readonly command: string;
  readonly args?: { readonly [name: string]: unknown };
  /** For a command that answers only when it fails: taken for done when nothing was said for so long. */
  readonly silentSuccessNs?: number;
  /** The agent works on it before it answers. */
  readonly takesTime?: true;
  /** From now until the answer to the script's next call the agent serves nobody else; other scripts wait. */
  readonly alone?: true;
}

export interface AgentPause {
  readonly kind: 'pause';
  readonly ns: number;
}

/** Yields what to do next; is resumed with the answer's `return` (undefined after a pause). */
export type AgentScript<T> = Generator<AgentCall | AgentPause, T, AgentValue>;

export interface AgentDeadline {
  /** Node time at which the promise is rejected with `timeout`. */
  readonly deadlineNs: NodeTimeNs;
}

export interface AgentSessionOptions {
  readonly clock: Scheduler;
  /** The port's `onOutput` is taken over. */
  readonly port: BytePort;
  /** Called inside the machine's run whenever a promise was settled: the place to pause the machine. */
  readonly onSettled: () => void;
  /** How long so far the guest has waited for its hart. */
  readonly heldNs: () => number;
  readonly hangNs: () => number;
}

interface Task {
  readonly name: string;
  readonly script: AgentScript<unknown>;
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: Error) => void;
  settled: boolean;
  cancelDeadline: () => void;
  cancelPause: () => void;
}

interface WaitingCall {
  readonly task: Task;
  readonly call: AgentCall;
  cancelSilence: () => void;
  cancelHang: () => void;
}

export class GuestAgentSession {
  readonly #options: AgentSessionOptions;
  readonly #reader = new AgentLineReader();
  #tasks = new Set<Task>();
  #queue: WaitingCall[] = [];
  #current: WaitingCall | undefined;
  /** The script that is alone with the agent. */
  #alone: Task | undefined;
  #synchronized = false;
  /** The agent has come up, and nothing that may keep it long is under way: it answers at once, or the guest hangs. */
  #isPrompt = false;
  #sync: { readonly id: number; readonly cancelRetry: () => void } | undefined;
  #nextSyncId = 1;
  #hangs = false;

  constructor(options: AgentSessionOptions) {
    this.#options = options;
    options.port.onOutput = (bytes) => this.#receive(bytes);
  }

  get hangs(): boolean {
    return this.#hangs;
  }

  /** Starts a script now. `name` is what error messages call it. */
  run<T>(name: string, script: AgentScript<T>, { deadlineNs }: AgentDeadline): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      const task: Task = {
        name,
        script,
        resolve: (value) => resolve(value as T),
        reject,
        settled: false,
        cancelDeadline: () => {},
        cancelPause: () => {},
      };
      this.#tasks.add(task);
      task.cancelDeadline = this.#options.clock.at(deadlineNs, () => this.#onDeadline(task));
      this.#advance(task, () => script.next(undefined));
    });
  }

  /** Drops every script with `gone`: the guest, or the port, is not what it was. */
  drop(reason: string): void {
    this.#forgetStream();
    for (const task of [...this.#tasks]) this.#end(task, new GuestAgentError('gone', `${task.name}: ${reason}`));
  }

  #forgetStream(): void {
    this.#hangs = false;
    this.#sync?.cancelRetry();
    this.#sync = undefined;
    this.#synchronized = false;
    this.#isPrompt = false;
    this.#takeCurrent();
    this.#alone = undefined;
    for (const waiting of this.#queue) waiting.cancelHang();
    this.#queue = [];
    this.#reader.reset();
  }

  #onDeadline(task: Task): void {
    this.#giveUp(task, new GuestAgentError('timeout', `${task.name}: no answer of the guest agent in time`));
  }

  /** Tells whoever waits; the script may tidy up. */
  #giveUp(task: Task, error: GuestAgentError): void {
    task.cancelDeadline();
    task.cancelPause();
    this.#withdraw(task);
    if (task.settled) {
      this.#end(task, error); // its tidying up took too long
      this.#pump();
      return;
    }
    this.#settle(task, () => task.reject(error));
    const { clock } = this.#options;
    task.cancelDeadline = clock.at(clock.now() + CLEAN_UP_NS, () => this.#onDeadline(task));
    this.#advance(task, () => task.script.throw(error));
    this.#pump();
  }

  /** Takes a task's call out of the queue, or stops waiting for its answer. */
  #withdraw(task: Task): void {
    for (const waiting of this.#queue) if (waiting.task === task) waiting.cancelHang();
    this.#queue = this.#queue.filter((waiting) => waiting.task !== task);
    if (this.#current?.task !== task) return;
    const { current } = this.#takeCurrent();
    this.#synchronized = false;
    if (current?.call.takesTime === true || current?.call.silentSuccessNs !== undefined) this.#isPrompt = false;
  }

  #settle(task: Task, how: () => void): void {
    if (task.settled) return;
    task.settled = true;
    how();
    this.#options.onSettled();
  }

  #end(task: Task, error: Error): void {
    task.cancelDeadline();
    task.cancelPause();
    this.#withdraw(task);
    this.#forget(task);
    this.#settle(task, () => task.reject(error));
  }

  #forget(task: Task): void {
    this.#tasks.delete(task);
    if (this.#alone === task) this.#alone = undefined;
  }

  #advance(task: Task, resume: () => IteratorResult<AgentCall | AgentPause, unknown>): void {
    let step: IteratorResult<AgentCall | AgentPause, unknown>;
    try {
      step = resume();
    } catch (error) {
      this.#end(task, error instanceof Error ? error : new Error(String(error)));
      return;
    }
    if (step.done === true) {
      task.cancelDeadline();
      this.#forget(task);
      this.#settle(task, () => task.resolve(step.value));
    } else if (step.value.kind === 'pause') {
      const { clock } = this.#options;
      task.cancelPause = clock.at(clock.now() + step.value.ns, () => {
        this.#advance(task, () => task.script.next(undefined));
      });
    } else {
      if (this.#queue.length >= CALLS_WAITING_MAX) {
        this.#end(
          task,
          new GuestAgentError('refused', `${task.name}: ${CALLS_WAITING_MAX} calls wait for the agent already`),
        );
        return;
      }
      const waiting: WaitingCall = { task, call: step.value, cancelSilence: () => {}, cancelHang: () => {} };
      if (!this.#synchronized && this.#isPrompt) this.#watch(waiting);
      this.#queue.push(waiting);
      this.#pump();
    }
  }

  /** Sends what can be sent. */
  #pump(): void {
    if (this.#current !== undefined || this.#sync !== undefined || this.#queue.length === 0) return;
    if (!this.#synchronized) {
      this.#synchronize(SYNC_RETRY_FIRST_NS);
      return;
    }
    const alone = this.#alone;
    const next = alone === undefined ? 0 : this.#queue.findIndex(({ task }) => task === alone);
    const [waiting] = next < 0 ? [] : this.#queue.splice(next, 1);
    if (waiting === undefined) return;
    const { call, task } = waiting;
    waiting.cancelHang();
    this.#current = waiting;
    if (call.alone === true) this.#alone = task;
    if (call.silentSuccessNs !== undefined) {
      const { clock } = this.#options;
      waiting.cancelSilence = clock.at(clock.now() + call.silentSuccessNs, () => {
        this.#withdraw(task);
        this.#advance(task, () => task.script.next(undefined));
        this.#pump();
      });
    }
    if (call.takesTime !== true && call.silentSuccessNs === undefined) this.#watch(waiting);
    this.#send(call.args === undefined ? { execute: call.command } : { execute: call.command, arguments: call.args });
  }

  /** Ends the call's script when the guest had its hart, or wanted none, for too long without an answer. */
  #watch(waiting: WaitingCall): void {
    const { clock, heldNs, hangNs } = this.#options;
    const own = (): number => clock.now() - heldNs();
    const limitNs = hangNs();
    const sentNs = own();
    const look = (): void => {
      const leftNs = limitNs - (own() - sentNs);
      if (leftNs > 0) {
        waiting.cancelHang = clock.at(clock.now() + Math.max(leftNs, LOOK_NS_MIN), look);
        return;
      }
      this.#hangs = true;
      const { task, call } = waiting;
      const message = `${task.name}: the guest hangs: no answer to ${call.command} in ${limitNs / NS_PER_MS} ms of its own time`;
      this.#giveUp(task, new GuestAgentError('hangs', message));
    };
    if (Number.isFinite(limitNs)) waiting.cancelHang = clock.at(clock.now() + limitNs, look);
  }

  #synchronize(retryNs: number): void {
    const id = this.#nextSyncId;
    this.#nextSyncId = (id % SYNC_IDS) + 1;
    const { clock, port } = this.#options;
    const cancelRetry = clock.at(clock.now() + retryNs, () => {
      this.#sync = undefined;
      if (this.#queue.length > 0) this.#synchronize(Math.min(retryNs * 2, SYNC_RETRY_MAX_NS));
    });
    this.#sync = { id, cancelRetry };
    port.input(Uint8Array.of(0xff)); // whatever an earlier talk left half said ends here
    this.#send({ execute: 'guest-sync-delimited', arguments: { id } });
  }

  #send(request: object): void {
    this.#options.port.input(Buffer.from(`${JSON.stringify(request)}\n`));
  }

  #receive(output: Uint8Array): void {
    this.#hangs = false;
    try {
      for (const line of this.#reader.push(output)) this.#receiveLine(line.text, line.afterSentinel);
    } catch (error) {
      if (!(error instanceof GuestAgentError)) throw error;
      this.#reader.reset();
      this.#synchronized = false;
      const { current } = this.#takeCurrent();
      if (current !== undefined) this.#advance(current.task, () => current.task.script.throw(error));
    }
    this.#pump();
  }

  #takeCurrent(): { readonly current: WaitingCall | undefined } {
    const current = this.#current;
    current?.cancelSilence();
    current?.cancelHang();
    this.#current = undefined;
    return { current };
  }

  #receiveLine(text: string, afterSentinel: boolean): void {
    if (this.#sync !== undefined) {
      if (afterSentinel && answersSync(text, this.#sync.id)) {
        this.#sync.cancelRetry();
        this.#sync = undefined;
        this.#synchronized = true;
        this.#isPrompt = true;
        for (const waiting of this.#queue) waiting.cancelHang();
      }
      return;
    }
    if (!this.#synchronized) return; // an answer nobody waits for any more
    const { current } = this.#takeCurrent();
    if (current === undefined) return;
    const { task, call } = current;
    if (this.#alone === task && call.alone !== true) this.#alone = undefined;
    this.#advance(task, () => {
      let answer: AgentValue;
      try {
        answer = answerOf(call.command, text);
      } catch (error) {
        return task.script.throw(error);
      }
      return task.script.next(answer);
    });
  }
}

function answersSync(text: string, id: number): boolean {
  try {
    return answerOf('guest-sync-delimited', text) === id;
  } catch {
    return false; // something else was going on; the answer is still to come
  }
}
