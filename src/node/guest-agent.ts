/** The stock QEMU guest agent of one OS, as promises that settle by what the machine puts out or by node time. */
import type { BytePort, Scheduler } from '../machine/index.ts';
import {
  agentVersion,
  call,
  exec,
  freeze,
  frozen,
  type GuestMemoryBlock,
  type GuestMemoryBlockChange,
  type GuestMemoryBlockOutcome,
  type GuestNetworkInterface,
  type GuestOsInfo,
  memoryBlockBytes,
  memoryBlocks,
  networkInterfaces,
  osInfo,
  readFile,
  type ShutdownMode,
  setMemoryBlocks,
  shutdown,
  thaw,
  whileFrozen,
  writeFile,
} from './guest-agent-commands.ts';
import { GuestAgentError } from './guest-agent-messages.ts';
import { type AgentDeadline, type AgentScript, GuestAgentSession } from './guest-agent-session.ts';

export { GuestAgentError } from './guest-agent-messages.ts';
export type { AgentDeadline, AgentScript } from './guest-agent-session.ts';

export interface ExecOptions extends AgentDeadline {
  /** Added to a PATH of the usual folders; without it the command gets the agent's environment. */
  readonly env?: Readonly<Record<string, string>>;
  readonly input?: Uint8Array;
}

export interface ExecResult {
  /** 128 + signal when a signal ended it, as a shell says it. */
  readonly exitCode: number;
  readonly signal: number | null;
  readonly stdout: string;
  readonly stderr: string;
  /** There was more than the 16 MiB of each that the agent keeps. */
  readonly truncated: boolean;
}

const PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';
const SIGNAL_BASE = 128;
const NAME_CHARS_MAX = 160;
/** What a command may print, as JSON, in which a control character takes six: it goes over the node's socket as one line. */
const PRINTED_JSON_CHARS_MAX = 16 * 1024 * 1024;
const JSON_CHARS_PER_BYTE_MAX = 6;
const NO_ANSWER: ReadonlySet<GuestAgentError['code']> = new Set(['timeout', 'gone', 'hangs']);

export interface GuestAgentOptions {
  /** Called inside the machine's run when a promise was settled: the place to pause the machine. */
  readonly onSettled?: () => void;
  /** How long so far the guest has waited for its hart. */
  readonly heldNs?: () => number;
  /** A guest whose agent is silent for so long, of the time in which nobody else has its hart, hangs. */
  readonly hangNs?: () => number;
}

/**
 * Every method rejects with GuestAgentError: `timeout` at its deadline, `refused` by the agent, `protocol`, `gone` after
 * `drop`, or `hangs`. An agent that is not there yet is waited for.
 */
export class GuestAgent {
  readonly #session: GuestAgentSession;

  constructor(port: BytePort, clock: Scheduler, options: GuestAgentOptions = {}) {
    const { onSettled = () => {}, heldNs = () => 0, hangNs = () => Number.POSITIVE_INFINITY } = options;
    this.#session = new GuestAgentSession({ port, clock, onSettled, heldNs, hangNs });
  }

  /** Runs a script of several commands as one, in node time. */
  run<T>(name: string, script: AgentScript<T>, deadline: AgentDeadline): Promise<T> {
    return this.#session.run(name, script, deadline);
  }

  /** Whether the agent answers before the deadline; settles as soon as it does. */
  async answers(deadline: AgentDeadline): Promise<boolean> {
    try {
      await this.run('guest-ping', call('guest-ping'), deadline);
      return true;
    } catch (error) {
      if (error instanceof GuestAgentError && NO_ANSWER.has(error.code)) return false;
      throw error;
    }
  }

  /** Whether the last call it should have answered at once got no answer, and nothing was heard since. */
  get hangs(): boolean {
    return this.#session.hangs;
  }

  version(deadline: AgentDeadline): Promise<string> {
    return this.run('guest-info', agentVersion(), deadline);
  }

  /** Runs a command in the guest to its end; it is killed when that is not before the deadline. No shell. */
  async exec(argv: readonly string[], options: ExecOptions): Promise<ExecResult> {
    const [path, ...args] = argv;
    if (path === undefined) throw new RangeError('a command has at least its name');
    const { env, input } = options;
    const command = {
      path,
      args,
      ...(env === undefined
        ? {}
        : { env: Object.entries({ PATH, ...env }).map(([name, value]) => `${name}=${value}`) }),
      ...(input === undefined ? {} : { input }),
    };
    const name = argv.join(' ').slice(0, NAME_CHARS_MAX);
    const { exitCode, signal, stdout, stderr, truncated } = await this.run(name, exec(command), options);
    const text = new TextDecoder();
    const printed = { stdout: text.decode(stdout), stderr: text.decode(stderr) };
    const mayBeLong = (stdout.length + stderr.length) * JSON_CHARS_PER_BYTE_MAX > PRINTED_JSON_CHARS_MAX;
    if (mayBeLong && JSON.stringify(printed).length > PRINTED_JSON_CHARS_MAX) {
      const bytes = stdout.length + stderr.length;
      throw new GuestAgentError('refused', `${name}: it printed ${bytes} bytes: more than a step may say`);
    }
    return {
      exitCode: exitCode ?? SIGNAL_BASE + (signal ?? 0),
      signal,
      ...printed,
      truncated,
    };
  }

  readFile(path: string, options: AgentDeadline & { readonly bytesMax?: number }): Promise<Uint8Array> {
    return this.run(`read ${path}`, readFile(path, options.bytesMax), options);
  }

  writeFile(path: string, content: Uint8Array, deadline: AgentDeadline): Promise<void> {
    return this.run(`write ${path}`, writeFile(path, content), deadline);
  }

  /** How many file systems were frozen. */
  freezeFileSystems(deadline: AgentDeadline): Promise<number> {
    return this.run('freeze', freeze(), deadline);
  }

  thawFileSystems(deadline: AgentDeadline): Promise<number> {
    return this.run('thaw', thaw(), deadline);
  }

  fileSystemsFrozen(deadline: AgentDeadline): Promise<boolean> {
    return this.run('freeze status', frozen(), deadline);
  }

  /** Calls `during` (once, inside the machine's run) while every file system of the guest is frozen. */
  whileFrozen<T>(during: () => T, deadline: AgentDeadline): Promise<T> {
    return this.run('freeze', whileFrozen(during), deadline);
  }

  memoryBlocks(deadline: AgentDeadline): Promise<readonly GuestMemoryBlock[]> {
    return this.run('memory blocks', memoryBlocks(), deadline);
  }

  memoryBlockBytes(deadline: AgentDeadline): Promise<number> {
    return this.run('memory block size', memoryBlockBytes(), deadline);
  }

  setMemoryBlocks(
    changes: readonly GuestMemoryBlockChange[],
    deadline: AgentDeadline,
  ): Promise<readonly GuestMemoryBlockOutcome[]> {
    return this.run('set memory blocks', setMemoryBlocks(changes), deadline);
  }

  osInfo(deadline: AgentDeadline): Promise<GuestOsInfo> {
    return this.run('OS information', osInfo(), deadline);
  }

  networkInterfaces(deadline: AgentDeadline): Promise<readonly GuestNetworkInterface[]> {
    return this.run('network interfaces', networkInterfaces(), deadline);
  }

  /** Resolves once the agent has taken the order; the OS is still up then. */
  shutdown(mode: ShutdownMode, deadline: AgentDeadline): Promise<void> {
    return this.run(`shutdown (${mode})`, shutdown(mode), deadline);
  }

  /** Rejects everything that is under way with `gone`; the next call synchronises with whatever agent is there. */
  drop(reason: string): void {
    this.#session.drop(reason);
  }
}
