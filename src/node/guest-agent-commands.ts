/**
 * What a QEMU guest agent can be asked, as scripts: one function a task, made of the commands of [QGA] (qemu-ga 7.2 and
 * later). Every answer is checked for the shape the reference gives.
 */
import {
  type AgentValue,
  asArray,
  asBoolean,
  asInteger,
  asObject,
  asString,
  GuestAgentError,
  optional,
  seen,
} from './guest-agent-messages.ts';
import type { AgentScript } from './guest-agent-session.ts';

const NS_PER_MS = 1_000_000;

/** One command with an answer. */
export function* call(command: string, args?: { readonly [name: string]: unknown }): AgentScript<AgentValue> {
  return yield args === undefined ? { kind: 'call', command } : { kind: 'call', command, args };
}

function* pause(ns: number): AgentScript<void> {
  yield { kind: 'pause', ns };
}

// ------------------------------------------------------------------------------------------------------ commands

export interface GuestCommand {
  /** Absolute, or found in the agent's PATH. */
  readonly path: string;
  readonly args?: readonly string[];
  /** `NAME=value`; in place of the agent's own environment. */
  readonly env?: readonly string[];
  readonly input?: Uint8Array;
}

export interface GuestCommandResult {
  /** Null when a signal ended it. */
  readonly exitCode: number | null;
  readonly signal: number | null;
  /** At most 16 MiB each; `truncated` says whether there was more. */
  readonly stdout: Uint8Array;
  readonly stderr: Uint8Array;
  readonly truncated: boolean;
}

/** Between two looks at a command that runs: an eighth of the time it has taken, within these. */
const POLL_FIRST_NS = 2 * NS_PER_MS;
const POLL_LAST_NS = 100 * NS_PER_MS;
const POLL_GROWTH = 1.25;

/** Runs a command to its end. When time runs out before that, the command is killed. */
export function* exec(request: GuestCommand): AgentScript<GuestCommandResult> {
  const pid = yield* startCommand(request, true);
  let ended = false;
  try {
    for (let pollNs = POLL_FIRST_NS; ; pollNs = Math.min(pollNs * POLL_GROWTH, POLL_LAST_NS)) {
      yield* pause(Math.round(pollNs));
      const result = yield* commandResult(pid);
      if (result === undefined) continue;
      ended = true;
      return result;
    }
  } finally {
    if (!ended) yield* startCommand({ path: '/bin/sh', args: ['-c', `kill -KILL ${pid}`] }, false);
  }
}

/** @returns the process id in the guest */
function* startCommand(request: GuestCommand, capture: boolean): AgentScript<number> {
  const { path, args, env, input } = request;
  const answer = yield* call('guest-exec', {
    path,
    ...(args === undefined ? {} : { arg: args }),
    ...(env === undefined ? {} : { env }),
    ...(input === undefined ? {} : { 'input-data': toBase64(input) }),
    'capture-output': capture,
  });
  return asInteger('guest-exec', asObject('guest-exec', answer)['pid']);
}

function* commandResult(pid: number): AgentScript<GuestCommandResult | undefined> {
  const name = 'guest-exec-status';
  const status = asObject(name, yield* call(name, { pid }));
  if (!asBoolean(name, status['exited'])) return undefined;
  const truncated = (member: string): boolean => optional(name, status[member], asBoolean) ?? false;
  return {
    exitCode: optional(name, status['exitcode'], asInteger) ?? null,
    signal: optional(name, status['signal'], asInteger) ?? null,
    stdout: fromBase64(optional(name, status['out-data'], asString) ?? ''),
    stderr: fromBase64(optional(name, status['err-data'], asString) ?? ''),
    truncated: truncated('out-truncated') || truncated('err-truncated'),
  };
}

// --------------------------------------------------------------------------------------------------------- files

/**
 * Bytes of a file in one command. The agent itself takes up to 48 MiB; this keeps a command under 64 KiB in base64, a
 * size at which other scripts' commands are not held up.
 */
const FILE_CHUNK_BYTES = 48 * 1024;
const FILE_BYTES_MAX = 64 * 1024 * 1024;

/** `refused` when the file is longer than `bytesMax`. */
export function* readFile(path: string, bytesMax = FILE_BYTES_MAX): AgentScript<Uint8Array> {
  const name = 'guest-file-read';
  const handle = yield* openFile(path, 'r');
  const parts: Uint8Array[] = [];
  let bytes = 0;
  try {
    for (;;) {
      const answer = asObject(name, yield* call(name, { handle, count: FILE_CHUNK_BYTES }));
      const part = fromBase64(asString(name, answer['buf-b64']));
      parts.push(part);
      bytes += part.length;
      if (bytes > bytesMax) throw new GuestAgentError('refused', `${path} is longer than ${bytesMax} bytes`);
      if (asBoolean(name, answer['eof'])) return Buffer.concat(parts);
    }
  } finally {
    yield* call('guest-file-close', { handle });
  }
}

/** Makes the file, or replaces what it held. It is in the guest's page cache afterwards, not necessarily on its disk. */
export function* writeFile(path: string, content: Uint8Array): AgentScript<void> {
  const name = 'guest-file-write';
  const handle = yield* openFile(path, 'w');
  try {
    for (let offset = 0; offset < content.length; ) {
      const chunk = content.subarray(offset, offset + FILE_CHUNK_BYTES);
      const answer = asObject(name, yield* call(name, { handle, 'buf-b64': toBase64(chunk) }));
      const taken = asInteger(name, answer['count']);
      if (taken <= 0 || taken > chunk.length) {
        throw new GuestAgentError('protocol', `${name}: expected 1 to ${chunk.length} bytes written, found ${taken}`);
      }
      offset += taken;
    }
    yield* call('guest-file-flush', { handle });
  } finally {
    yield* call('guest-file-close', { handle });
  }
}

function* openFile(path: string, mode: 'r' | 'w'): AgentScript<number> {
  return asInteger('guest-file-open', yield* call('guest-file-open', { path, mode }));
}

// -------------------------------------------------------------------------------------------------- file systems

/** @returns how many file systems are frozen; from here to `thaw` the agent takes almost no other command. */
/**
 * Until they are thawed the agent refuses nearly every other command ([QGA] "guest-fsfreeze-freeze"): those of other
 * scripts wait.
 */
export function* freeze(): AgentScript<number> {
  const command = 'guest-fsfreeze-freeze';
  return asInteger(command, yield { kind: 'call', command, alone: true, takesTime: true });
}

/** @returns how many file systems were thawed */
export function* thaw(): AgentScript<number> {
  const command = 'guest-fsfreeze-thaw';
  return asInteger(command, yield { kind: 'call', command, takesTime: true });
}

export function* frozen(): AgentScript<boolean> {
  const status = asString('guest-fsfreeze-status', yield* call('guest-fsfreeze-status'));
  return status === 'frozen';
}

/** Calls `during` at the instant all file systems are frozen, and thaws them whatever becomes of it. */
export function* whileFrozen<T>(during: () => T): AgentScript<T> {
  try {
    yield* freeze();
    return during();
  } finally {
    yield* thaw();
  }
}

// -------------------------------------------------------------------------------------------------------- memory

export interface GuestMemoryBlock {
  /** Number of the block under /sys/devices/system/memory. */
  readonly index: number;
  readonly online: boolean;
  readonly canOffline: boolean;
}

/** In the order of their numbers; the agent tells them in the order of a directory. */
export function* memoryBlocks(): AgentScript<readonly GuestMemoryBlock[]> {
  const name = 'guest-get-memory-blocks';
  const blocks = asArray(name, yield* call(name)).map((value) => {
    const block = asObject(name, value);
    return {
      index: asInteger(name, block['phys-index']),
      online: asBoolean(name, block['online']),
      canOffline: optional(name, block['can-offline'], asBoolean) ?? false,
    };
  });
  return blocks.sort((a, b) => a.index - b.index);
}

/** Bytes of a memory block. */
export function* memoryBlockBytes(): AgentScript<number> {
  const name = 'guest-get-memory-block-info';
  return asInteger(name, asObject(name, yield* call(name))['size']);
}

export interface GuestMemoryBlockChange {
  readonly index: number;
  readonly online: boolean;
}

export interface GuestMemoryBlockOutcome {
  readonly index: number;
  readonly response: 'success' | 'not-found' | 'operation-not-supported' | 'operation-failed';
  /** errno of the guest, when it failed. */
  readonly errorCode: number | undefined;
}

const MEMORY_BLOCK_RESPONSES = ['success', 'not-found', 'operation-not-supported', 'operation-failed'] as const;

export function* setMemoryBlocks(
  changes: readonly GuestMemoryBlockChange[],
): AgentScript<readonly GuestMemoryBlockOutcome[]> {
  const name = 'guest-set-memory-blocks';
  const blocks = changes.map(({ index, online }) => ({ 'phys-index': index, online }));
  const args = { 'mem-blks': blocks };
  return asArray(name, yield { kind: 'call', command: name, args, takesTime: true }).map((value) => {
    const outcome = asObject(name, value);
    const response = MEMORY_BLOCK_RESPONSES.find((known) => known === outcome['response']);
    if (response === undefined) {
      throw new GuestAgentError('protocol', `${name}: expected a response, found ${seen(outcome['response'])}`);
    }
    const index = asInteger(name, outcome['phys-index']);
    return { index, response, errorCode: optional(name, outcome['error-code'], asInteger) };
  });
}

// ---------------------------------------------------------------------------------------------------- the system

/** What the guest says it is: `kernelRelease` is its `uname -r`, the rest is of its os-release. */
export interface GuestOsInfo {
  readonly kernelRelease: string | undefined;
  readonly machine: string | undefined;
  readonly id: string | undefined;
  readonly prettyName: string | undefined;
  readonly versionId: string | undefined;
}

export function* osInfo(): AgentScript<GuestOsInfo> {
  const name = 'guest-get-osinfo';
  const info = asObject(name, yield* call(name));
  const text = (member: string): string | undefined => optional(name, info[member], asString);
  return {
    kernelRelease: text('kernel-release'),
    machine: text('machine'),
    id: text('id'),
    prettyName: text('pretty-name'),
    versionId: text('version-id'),
  };
}

export interface GuestNetworkInterface {
  readonly name: string;
  readonly mac: string | undefined;
  /** With prefix length: `10.0.0.10/24`. */
  readonly addresses: readonly string[];
}

export function* networkInterfaces(): AgentScript<readonly GuestNetworkInterface[]> {
  const name = 'guest-network-get-interfaces';
  return asArray(name, yield* call(name)).map((value) => {
    const device = asObject(name, value);
    const addresses = optional(name, device['ip-addresses'], asArray) ?? [];
    return {
      name: asString(name, device['name']),
      mac: optional(name, device['hardware-address'], asString),
      addresses: addresses.map((entry) => {
        const address = asObject(name, entry);
        return `${asString(name, address['ip-address'])}/${asInteger(name, address['prefix'])}`;
      }),
    };
  });
}

/** Version of the agent. */
export function* agentVersion(): AgentScript<string> {
  return asString('guest-info', asObject('guest-info', yield* call('guest-info'))['version']);
}

export type ShutdownMode = 'powerdown' | 'halt' | 'reboot';

/** [QGA] "guest-shutdown": "This command does NOT return a response on success"; a refusal comes at once. */
const SHUTDOWN_SILENCE_NS = 200 * NS_PER_MS;

export function* shutdown(mode: ShutdownMode): AgentScript<void> {
  yield { kind: 'call', command: 'guest-shutdown', args: { mode }, silentSuccessNs: SHUTDOWN_SILENCE_NS };
}

// ------------------------------------------------------------------------------------------------------- base64

const toBase64 = (bytes: Uint8Array): string =>
  Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('base64');

const fromBase64 = (text: string): Uint8Array => Buffer.from(text, 'base64');
