/**
 * What a node can be asked to do: the arguments and the result of each primitive, and the codes it can fail with. The
 * step table (steps/table.ts) maps playbook steps onto these; src/node implements them; model-node.ts models them.
 *
 * Guests are named for the duration of a run: `old` is the OS that owned the bare node when the run began, `new` the
 * one that `vm.create` makes. The names do not swap at cut-over: what a step means never depends on when it runs. The
 * next run calls the survivor `old`.
 *
 * Every primitive that undoes another (vm.destroy, disk.remove, memory.take-up, microvisor.devirtualize, disk.detach)
 * succeeds with nothing to do where its effect is already absent: an undo may follow an attempt that failed half-way.
 */
import type { Json } from './node-port.ts';

export type GuestName = 'old' | 'new';
export const GUEST_NAMES: readonly GuestName[] = ['old', 'new'];
export const otherGuest = (name: GuestName): GuestName => (name === 'old' ? 'new' : 'old');

/** What the guest itself says: `uname -r`, /etc/os-release, and versions by `dpkg-query`. */
export interface GuestFacts {
  readonly kernel: string;
  readonly osRelease: { readonly [key: string]: string };
  readonly packages: { readonly [name: string]: string };
}

interface Nothing {
  readonly [name: string]: never;
}

interface BootsGuest {
  readonly args: {
    readonly guest: GuestName;
    /** Another guest that goes down meanwhile is kept down, so that this one has the hart to itself. */
    readonly takesOver: boolean;
  };
  /** Node time until its agent answered. */
  readonly result: { readonly bootMs: number };
}

export interface Primitives {
  /** First effect of a run: the node takes the run's epoch, names the running OS `old` and starts the prober. */
  'run.begin': {
    readonly args: {
      readonly run: string;
      readonly service: ServiceSpec;
      /** Packages whose versions `os` tells. */
      readonly packages: readonly string[];
      /** A guest hangs when its agent is silent for so long of the time in which no other guest has its hart. */
      readonly hangMs: number;
    };
    readonly result: { readonly os: GuestFacts };
  };
  /** Last effect of a run, whatever its outcome: what the OS that now serves says of itself. */
  'run.end': {
    readonly args: { readonly packages: readonly string[] };
    readonly result: { readonly guest: GuestName; readonly os: GuestFacts; readonly virtualized: boolean };
  };
  /** The point of no return: from now on the node boots this guest's disk after a loss of power. */
  'node.commit': { readonly args: { readonly guest: GuestName }; readonly result: Nothing };
  /** Sees to it that the committed OS runs on the bare node: boots it when the node is off, else does nothing. */
  'node.boot': { readonly args: Nothing; readonly result: { readonly booted: boolean; readonly os: GuestFacts } };

  /** `switchNs`: node time from the request reaching M-mode to its return; `pauseNs`: the longest a guest stood still. */
  'microvisor.virtualize': {
    readonly args: Nothing;
    readonly result: { readonly switchNs: number; readonly pauseNs: number };
  };
  'microvisor.devirtualize': {
    readonly args: Nothing;
    readonly result: {
      readonly switchNs: number;
      readonly pauseNs: number;
      /** CSRs and PMP entries are bit for bit what they were before virtualize; `differences` names those that are not. */
      readonly stateIdentical: boolean;
      readonly differences: readonly string[];
    };
  };
  /**
   * Hands the node over to the image of the Microvisor of that release, beneath whatever runs on it; from the commit on the
   * node boots with it. Nothing to do where it is in charge.
   */
  'microvisor.replace': {
    readonly args: { readonly release: string };
    readonly result: {
      readonly switchNs: number;
      readonly pauseNs: number;
      /** The release that was in charge, and the one that is. */
      readonly before: string;
      readonly after: string;
    };
  };
  /** Watches the bare node for a while and compares its M-mode entries with those a never-virtualized node would have. */
  'microvisor.audit': {
    readonly args: { readonly durationMs: number };
    readonly result: { readonly bareTrapsExtra: number; readonly stateIdentical: boolean };
  };

  /** `takesOver`: the other guest goes on alone where this one is down; it stays down, and its memory is taken unasked. */
  'memory.give-up': {
    readonly args: { readonly guest: GuestName; readonly takesOver: boolean };
    readonly result: { readonly bytes: number };
  };
  /** Swaps the module of a bank that no OS has; what it held is gone. The Microvisor keeps everybody off it meanwhile. */
  'memory.replace': { readonly args: Nothing; readonly result: { readonly bytes: number } };
  'memory.take-up': { readonly args: { readonly guest: GuestName }; readonly result: { readonly bytes: number } };

  /** Harts the guest has taken offline (null: half of them, never its last) belong to nobody; `harts`: all that nobody has. */
  'cpu.give-up': {
    readonly args: {
      readonly guest: GuestName;
      readonly harts: number | null;
      /** As for memory.give-up. */
      readonly takesOver: boolean;
    };
    readonly result: { readonly harts: readonly number[] };
  };
  /** Harts that nobody has are the guest's, and all of its harts are online; `harts`: all it has. */
  'cpu.take-up': {
    readonly args: { readonly guest: GuestName };
    readonly result: { readonly harts: readonly number[] };
  };

  /** Copies the system disk of a running guest, whose file systems are frozen meanwhile, to a disk of the node. */
  'disk.clone': {
    readonly args: { readonly from: GuestName; readonly name: string };
    readonly result: { readonly bytes: number; readonly frozenMs: number };
  };
  'disk.remove': { readonly args: { readonly name: string }; readonly result: Nothing };
  /** Attaches a disk of the node to a guest; a guest that runs binds the driver. `device`: its node in the guest. */
  'disk.attach': {
    readonly args: { readonly guest: GuestName; readonly name: string; readonly readOnly: boolean };
    readonly result: { readonly device: string };
  };
  /** A fault: from now on every request to the disk ends with an I/O error. */
  'disk.break': { readonly args: { readonly name: string }; readonly result: Nothing };
  'disk.detach': { readonly args: { readonly guest: GuestName; readonly name: string }; readonly result: Nothing };
  /**
   * Hands a disk over with what is on it: `release` ends what uses it in `from` and flushes it, `accept` takes it into use
   * in `to`; empty for none. A guest that went off lets go of nothing; one that shall take the disk is booted.
   */
  'disk.move': {
    readonly args: {
      readonly name: string;
      readonly from: GuestName;
      readonly to: GuestName;
      readonly release: readonly string[];
      readonly accept: readonly string[];
    };
    readonly result: {
      /** Milliseconds of node time of each part. */
      readonly releaseMs: number;
      readonly moveMs: number;
      readonly acceptMs: number;
    };
  };
  /** Plugs a network card into a spare slot of a guest that runs; `interface`: its name in the guest. */
  'nic.attach': {
    readonly args: { readonly guest: GuestName; readonly name: string };
    readonly result: { readonly interface: string };
  };
  'nic.detach': { readonly args: { readonly guest: GuestName; readonly name: string }; readonly result: Nothing };
  /** Swaps the guest's own network card for another one; nothing may use it. */
  'nic.replace': {
    readonly args: { readonly guest: GuestName };
    readonly result: { readonly interface: string; readonly mac: string };
  };
  /** Gives a device to a guest. `device` is `<guest it was made for>.<kind>`, e.g. `old.net`. */
  'device.move': {
    readonly args: { readonly device: string; readonly to: GuestName };
    readonly result: { readonly from: GuestName };
  };

  /**
   * With `standby` the guest is the one that was kept under that name: `disk` is made as a copy of its system disk, in place
   * of a disk of that name that nobody uses; `vm.boot` wakes it. Until a `vm.reboot` it is woken again wherever it would be
   * booted.
   */
  'vm.create': {
    readonly args: { readonly guest: GuestName; readonly disk: string; readonly standby?: string };
    readonly result: { readonly memoryBytes: number };
  };
  /**
   * Puts a guest to sleep, keeps its memory and a copy of its system disk as the standby `as`, in place of the one of that
   * name, and wakes it. A commit makes worthless what earlier runs kept; the next run throws it away, and what a run kept
   * that did not commit.
   */
  'vm.keep': {
    readonly args: { readonly guest: GuestName; readonly as: string };
    readonly result: {
      /** Of memory. */
      readonly bytes: number;
      /** Node time from the request to sleep to its agent's answer. */
      readonly asleepMs: number;
    };
  };
  /** Boots a created guest, or wakes it, and returns when its agent answers. */
  'vm.boot': BootsGuest;
  /** Reboots a guest that runs, as the guest would, and returns when its agent answers again. */
  'vm.reboot': BootsGuest;
  /** `removesDisk`: a disk that goes with it unless a guest has it, as the one that `vm.create` made for it. */
  'vm.destroy': {
    readonly args: { readonly guest: GuestName; readonly removesDisk?: string };
    readonly result: Nothing;
  };

  'guest.shutdown': { readonly args: { readonly guest: GuestName }; readonly result: Nothing };
  'guest.run': {
    readonly args: {
      readonly guest: GuestName;
      readonly argv: readonly string[];
      readonly env: { readonly [name: string]: string };
      readonly expectExit: readonly number[];
    };
    readonly result: { readonly exitCode: number; readonly stdout: string; readonly stderr: string };
  };
  'guest.copy': {
    readonly args: {
      readonly guest: GuestName;
      readonly to: string;
      readonly contentBase64: string;
      /** Permission bits, e.g. 0o644. */
      readonly mode: number;
    };
    readonly result: { readonly bytes: number };
  };
  /** Asks every `intervalMs` until the agent answers (`argv` empty) or the command exits with 0. */
  'guest.wait-for': {
    readonly args: { readonly guest: GuestName; readonly argv: readonly string[]; readonly intervalMs: number };
    readonly result: { readonly attempts: number };
  };
  'guest.facts': {
    readonly args: { readonly guest: GuestName; readonly packages: readonly string[] };
    readonly result: GuestFacts;
  };
  /** Runs a fixed piece of work in a guest, `times` in a row, and accounts for it (`nodeNs` is the median, the rest the sum): what the overhead is computed from. */
  'guest.sample-work': {
    readonly args: { readonly guest: GuestName; readonly argv: readonly string[]; readonly times: number };
    readonly result: {
      readonly virtualized: boolean;
      readonly nodeNs: number;
      readonly instructions: number;
      readonly traps: { readonly [cause: string]: number };
    };
  };

  /** Requests the page from a guest directly, or over the service address when `guest` is null, `times` in a row. */
  'service.check': {
    readonly args: {
      readonly guest: GuestName | null;
      /** How to ask; absent: as the run that began last. A node that lost its power does not remember. */
      readonly service?: Pick<ServiceSpec, 'protocol' | 'port'>;
      readonly path: string;
      readonly times: number;
      readonly intervalMs: number;
      readonly deadlineMs: number;
      readonly expectStatus: number;
      /** Text the body must contain; empty for any. */
      readonly expectContains: string;
      /** SHA-256 of the body in hexadecimal; empty for any. */
      readonly expectSha256: string;
    };
    readonly result: {
      readonly status: number;
      readonly bodySha256: string;
      readonly body: string;
      readonly latencyMsMax: number;
    };
  };
  /** Reads back every record that the prober wrote in this run and the service acknowledged. */
  'service.records': {
    readonly args: { readonly deadlineMs: number };
    readonly result: { readonly acknowledged: number; readonly lost: readonly string[] };
  };
  /**
   * Makes `to` ready to take the service address: from then on it passes what belongs to connections it does not know on
   * to `from`. Clients notice nothing yet.
   */
  'service.relay': {
    readonly args: { readonly from: GuestName; readonly to: GuestName };
    readonly result: Nothing;
  };
  /**
   * Moves the service address; returns when the receiver has announced it. Connections that are open stay with `from` and
   * reach it through `to`.
   */
  'service.cut-over': {
    readonly args: { readonly from: GuestName; readonly to: GuestName };
    readonly result: Nothing;
  };
  /** Waits until `from` has no connection of a client any more, then ends the relay in `to`. */
  'service.drain': {
    readonly args: { readonly from: GuestName; readonly to: GuestName };
    /** Connections that were open at first. */
    readonly result: { readonly connections: number };
  };
}

/** What a client of the service expects, and how the prober asks. */
export interface ServiceSpec {
  /** `valkey`: each request of the prober writes a numbered record; path and what is expected mean nothing then. */
  readonly protocol: 'http' | 'valkey';
  readonly port: number;
  readonly path: string;
  readonly intervalMs: number;
  readonly deadlineMs: number;
  readonly expectStatus: number;
  readonly expectContains: string;
  /** Clients beside the prober; null for none. */
  readonly load: LoadSpec | null;
}

/** The clients of a busy service; what a short and a keep-alive request expect is what the prober expects. */
export interface LoadSpec {
  /** On connections of their own, on average. */
  readonly requestsPerSecond: number;
  /** Connections on which a request follows the other, on average every `intervalMs`. */
  readonly keepAlive: { readonly connections: number; readonly intervalMs: number };
  readonly downloads: {
    readonly connections: number;
    readonly path: string;
    readonly bytesPerSecond: number;
    /** Of the whole answer, in hexadecimal; empty for any. */
    readonly sha256: string;
  };
}

export type PrimitiveName = keyof Primitives;
export type PrimitiveArgs<Name extends PrimitiveName> = Primitives[Name]['args'];
export type PrimitiveResult<Name extends PrimitiveName> = Primitives[Name]['result'];

/** Codes any primitive can fail with; `retryable` says whether the same call can succeed later. */
export const FAILURE_CODES = {
  timeout: { retryable: true, means: 'the deadline passed in node time' },
  'guest-not-running': { retryable: true, means: 'the guest is off, panicked or its agent does not answer' },
  'no-such-guest': { retryable: false, means: 'the guest does not exist' },
  'exit-code': { retryable: true, means: 'the command ended with an exit code that was not expected' },
  'service-down': { retryable: true, means: 'the service did not answer as expected in time' },
  'not-virtualized': { retryable: false, means: 'the node is bare and the primitive needs the Microvisor' },
  'already-virtualized': { retryable: false, means: 'the Microvisor is already there' },
  vetoed: { retryable: true, means: 'a guest does not want it done now, and says why' },
  refused: { retryable: false, means: 'a guard of the node forbids it in its present state' },
  'no-such-disk': { retryable: false, means: 'the disk does not exist' },
  'no-such-standby': { retryable: false, means: 'the run that committed last kept no guest under that name' },
  'no-such-device': { retryable: false, means: 'the device does not exist' },
  'records-lost': { retryable: false, means: 'the service does not have what it acknowledged' },
  'no-memory': { retryable: true, means: 'the guest could not free the memory' },
  'stale-epoch': { retryable: false, means: 'a later run or resume holds the node' },
  'lost-power': { retryable: false, means: 'the node lost power while the primitive ran' },
} as const;

export type FailureCode = keyof typeof FAILURE_CODES;

/** A row's `args` and `result` are plain JSON: what crosses the port can be written to the journal. */
export type PrimitiveJson = { readonly [name: string]: Json };
