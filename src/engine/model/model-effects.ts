/**
 * What each primitive needs and changes, one row of a `switch` each: refusals as the node gives them, effects in the
 * stages in which the node brings them about. An attempt that fails half-way has done all stages but the last, or the
 * only one.
 */
import type { Json, NodeFailure } from '../node-port.ts';
import { FAILURE_CODES, type FailureCode, type GuestName, otherGuest, type PrimitiveName } from '../primitives.ts';
import type { ModelGuest, ModelHart, ModelStandby, ModelState } from './model-state.ts';

export interface ModelEffect {
  /** Applied in order; each changes the state it was made for. */
  readonly stages: readonly (() => void)[];
  readonly result: () => Json;
  /** The service of the guest that has it does not answer meanwhile, though it did before and does again afterwards. */
  readonly interrupts?: true;
}

type Args = { readonly [name: string]: Json };

const BANK_BYTES = 512 * 2 ** 20;
const LATENCY_MS = 1;
const NS_PER_MS = 1e6;

export const failure = (code: FailureCode, message: string): NodeFailure => ({
  code,
  message,
  retryable: FAILURE_CODES[code].retryable,
});

/** What the primitive would do to `state`, or why the node refuses. `ns`: the time it takes. */
export function effectOf(
  state: ModelState,
  primitive: PrimitiveName,
  args: Args,
  ns: number,
): ModelEffect | NodeFailure {
  const refusal = refusalOf(state, primitive, args);
  if (refusal) return refusal;
  const effect = changesOf(state, primitive, args, ns);
  const needed = state.guests.get(neededBy(state, primitive, args)!);
  return !needed || needed.runs ? effect : { ...effect, stages: [() => boot(needed), ...effect.stages] };
}

function changesOf(state: ModelState, primitive: PrimitiveName, args: Args, ns: number): ModelEffect {
  const name = guestOf(args);
  const guest = name === undefined ? undefined : state.guests.get(name);
  const once = (stage: () => void, result: () => Json = () => ({})): ModelEffect => ({ stages: [stage], result });
  const looks = (result: () => Json): ModelEffect => ({ stages: [], result });
  switch (primitive) {
    case 'run.begin':
      return {
        stages: state.hasOtherStandbys ? [() => state.beginStandbys()] : [],
        result: () => ({ os: osOf(state, state.serving ?? 'old', args['packages']) }),
      };
    case 'run.end':
      return looks(() => ({
        guest: state.committed,
        os: osOf(state, state.committed, args['packages']),
        virtualized: state.isVirtualized,
      }));
    case 'node.commit':
      return once(() => state.commit(args['guest'] as GuestName));
    case 'node.boot': {
      const wasOff = !state.isOn;
      return once(
        () => {
          if (wasOff) state.powerOn();
        },
        () => ({ booted: wasOff, os: osOf(state, 'old', []) }),
      );
    }
    case 'microvisor.virtualize':
      return once(
        () => {
          state.isVirtualized = true;
        },
        () => ({ switchNs: Math.round(ns / 10), pauseNs: Math.round(ns / 10) }),
      );
    case 'microvisor.devirtualize':
      return once(
        () => {
          state.isVirtualized = false;
        },
        () => ({
          switchNs: Math.round(ns / 10),
          pauseNs: Math.round(ns / 10),
          stateIdentical: true,
          differences: [],
        }),
      );
    case 'microvisor.replace': {
      const [before, after] = [state.microvisorRelease, String(args['release'])];
      const switchNs = before === after ? 0 : Math.round(ns / 10);
      return once(
        () => {
          state.microvisorRelease = after;
        },
        () => ({ switchNs, pauseNs: switchNs, before, after }),
      );
    }
    case 'microvisor.audit':
      return looks(() => ({ bareTrapsExtra: 0, stateIdentical: true }));
    // The OS lets go of the memory before the Microvisor takes it, and gets it before it uses it.
    case 'memory.give-up': {
      const bank = state.banks[otherGuest(name!)];
      return {
        stages: [
          () => {
            bank.isOnline = false;
          },
          () => {
            bank.owner = null;
          },
        ],
        result: () => ({ bytes: BANK_BYTES }),
      };
    }
    case 'memory.take-up': {
      const bank = state.banks[otherGuest(name!)];
      return {
        stages: [
          () => {
            bank.owner = name!;
          },
          () => {
            bank.isOnline = true;
          },
        ],
        result: () => ({ bytes: BANK_BYTES }),
      };
    }
    // As with memory: the OS lets go before the Microvisor takes, and gets before it uses. The last ones go first.
    case 'cpu.give-up': {
      const count = hartsToGiveUp(state, args);
      const harts = count === 0 ? [] : state.harts.slice(-count);
      return {
        stages: count === 0 ? [] : [() => change(harts, { isOnline: false }), () => change(harts, { owner: null })],
        result: () => ({ harts: numbersOf(state, null) }),
      };
    }
    case 'cpu.take-up': {
      const ofOwner = (owner: GuestName | null): readonly ModelHart[] =>
        state.harts.filter((hart) => hart.owner === owner);
      return {
        stages:
          state.harts.length === 1
            ? []
            : [() => change(ofOwner(null), { owner: name! }), () => change(ofOwner(name!), { isOnline: true })],
        result: () => ({ harts: numbersOf(state, name!) }),
      };
    }
    case 'disk.clone':
      return once(
        () => {
          state.disks.add(String(args['name']));
        },
        () => ({ bytes: 2 ** 30, frozenMs: 1.5 }),
      );
    case 'disk.remove':
      return once(() => {
        state.disks.delete(String(args['name']));
      });
    case 'disk.attach':
      return once(
        () => {
          state.attached.add(`${name}:${args['name']}`);
        },
        () => ({ device: `/dev/disk/by-id/virtio-${args['name']}` }),
      );
    case 'disk.break':
      return looks(() => ({}));
    case 'nic.attach':
      return looks(() => ({ interface: 'eth1' }));
    case 'nic.detach':
      return looks(() => ({}));
    case 'nic.replace':
      return looks(() => ({ interface: 'eth0', mac: '52:54:00:00:00:00' }));
    case 'memory.replace':
      return looks(() => ({ bytes: BANK_BYTES }));
    case 'disk.detach':
      return once(() => {
        state.attached.delete(`${name}:${args['name']}`);
      });
    case 'disk.move':
      return {
        stages: [
          () => {
            state.attached.delete(`${args['from']}:${args['name']}`);
          },
          () => {
            state.attached.add(`${args['to']}:${args['name']}`);
          },
        ],
        result: () => ({ releaseMs: ns / NS_PER_MS, moveMs: 0, acceptMs: 0 }),
        interrupts: true,
      };
    case 'device.move': {
      const device = String(args['device']);
      const from = state.ownerOf(device) ?? (device.startsWith('new.') ? 'new' : 'old');
      return once(
        () => {
          state.devices.set(device, args['to'] as GuestName);
        },
        () => ({ from }),
      );
    }
    case 'vm.create': {
      const standby = standbyOf(state, args)?.version ?? null;
      const installed = standby ?? state.guests.get(otherGuest(name!))?.installed ?? 1;
      const disk = String(args['disk']);
      return once(
        () => {
          if (standby !== null) state.disks.add(disk);
          const is = { installed, booted: 0, disk, standby };
          state.guests.set(name!, { runs: false, serviceRuns: false, ...is });
          state.banks[name!] = { owner: name!, isOnline: true };
          for (const hart of state.harts)
            if (hart.owner === null) Object.assign(hart, { owner: name!, isOnline: true });
        },
        () => ({ memoryBytes: BANK_BYTES }),
      );
    }
    // What fails half-way leaves it asleep.
    case 'vm.keep': {
      const { serviceRuns, booted } = guest!;
      return {
        stages: [
          () => state.goDown(name!),
          () => {
            state.standbys.set(String(args['as']), { version: booted, age: 'of this run', isCommitted: false });
            Object.assign(guest!, { runs: true, serviceRuns });
          },
        ],
        result: () => ({ bytes: BANK_BYTES, asleepMs: ns / NS_PER_MS }),
      };
    }
    case 'vm.boot':
      return once(
        () => boot(guest!),
        () => ({ bootMs: ns / NS_PER_MS }),
      );
    case 'vm.reboot':
      return {
        ...once(
          () => {
            guest!.standby = null;
            boot(guest!);
          },
          () => ({ bootMs: ns / NS_PER_MS }),
        ),
        ...(name === state.serving ? { interrupts: true } : {}),
      };
    case 'vm.destroy':
      return {
        stages: [
          ...(guest ? [() => state.remove(name!)] : []),
          ...(typeof args['removesDisk'] === 'string' ? [() => removeUnused(state, String(args['removesDisk']))] : []),
        ],
        result: () => ({}),
      };
    case 'guest.shutdown':
      return once(() => state.goDown(name!));
    case 'guest.run':
      return once(
        () => runIn(guest!, args['argv'] as readonly string[]),
        () => ({ exitCode: 0, stdout: '', stderr: '' }),
      );
    case 'guest.copy':
      return looks(() => ({ bytes: 0 }));
    case 'guest.wait-for':
      return looks(() => ({ attempts: 1 }));
    case 'guest.facts':
      return looks(() => osOf(state, name!, args['packages']));
    case 'guest.sample-work':
      return looks(() => ({ virtualized: state.isVirtualized, nodeNs: ns, instructions: ns, traps: {} }));
    case 'service.check':
      return looks(() => ({
        status: Number(args['expectStatus']),
        bodySha256: args['expectSha256'] === '' ? '0'.repeat(64) : String(args['expectSha256']),
        body: String(args['expectContains']),
        latencyMsMax: LATENCY_MS,
      }));
    case 'service.records':
      return looks(() => ({ acknowledged: 0, lost: [] }));
    case 'service.relay':
      return looks(() => ({}));
    case 'service.drain':
      return once(
        () => {
          state.holders.delete(args['from'] as GuestName);
        },
        () => ({ connections: 0 }),
      );
    // Make before break: the receiver takes the address, then the giver lets go of it.
    case 'service.cut-over':
      return {
        stages: [
          () => {
            const to = args['to'] as GuestName;
            state.holders.delete(to);
            state.holders.add(to);
          },
          () => {
            state.holders.delete(args['from'] as GuestName);
          },
        ],
        result: () => ({}),
      };
  }
}

/** Primitives that act in a guest, through its agent. */
const IN_GUEST = ['guest.', 'memory.give-up', 'memory.take-up', 'cpu.', 'disk.clone', 'vm.reboot', 'vm.keep'] as const;
/** A guest that is down is not asked where the other one takes over. */
const TAKES_OVER: ReadonlySet<PrimitiveName> = new Set(['memory.give-up', 'cpu.give-up']);

const isTakenOver = (primitive: PrimitiveName, args: Args): boolean =>
  args['takesOver'] === true && TAKES_OVER.has(primitive);

/** Who is booted, or woken, where it went down: the node cannot do it without. */
function neededBy(state: ModelState, primitive: PrimitiveName, args: Args): GuestName | undefined {
  switch (primitive) {
    case 'memory.give-up':
    case 'memory.take-up':
    case 'cpu.take-up':
      return isTakenOver(primitive, args) ? undefined : guestOf(args);
    case 'device.move':
    case 'disk.move':
    case 'service.relay':
    case 'service.drain':
    case 'service.cut-over':
      return args['to'] as GuestName;
    case 'microvisor.devirtualize':
      return state.isVirtualized && state.guests.size === 1 ? [...state.guests.keys()][0] : undefined;
    case 'run.end':
      return state.committed;
    default:
      return undefined;
  }
}

/** It runs, or was up and can be again. */
const canBeUp = (guest: ModelGuest | undefined): boolean => guest !== undefined && (guest.runs || guest.booted > 0);

function refusalOf(state: ModelState, primitive: PrimitiveName, args: Args): NodeFailure | undefined {
  if (!state.isOn && primitive !== 'node.boot') return failure('guest-not-running', 'the node is off');
  const name = guestOf(args);
  const guest = name === undefined ? undefined : state.guests.get(name);
  const disk = String(args['name'] ?? args['disk']);
  if (IN_GUEST.some((prefix) => primitive.startsWith(prefix))) {
    if (!guest) return failure('no-such-guest', `the node has no guest ${name}`);
    const isNeeded = neededBy(state, primitive, args) === name;
    const isAsked = !isTakenOver(primitive, args) && primitive !== 'guest.shutdown';
    if (isNeeded ? !canBeUp(guest) : !guest.runs && (isAsked || !state.isVirtualized)) return notRunning(name!);
  }
  switch (primitive) {
    case 'run.end':
      return canBeUp(state.guests.get(state.committed)) ? undefined : notRunning(state.committed);
    case 'node.commit':
      return guest ? undefined : failure('no-such-guest', `the node has no guest ${name}`);
    case 'microvisor.virtualize':
      return state.isVirtualized ? failure('already-virtualized', 'the node is virtualized already') : undefined;
    case 'microvisor.devirtualize':
      if (!state.isVirtualized) return undefined;
      if (state.guests.size > 1) return failure('refused', 'two guests exist');
      if (![...state.guests.values()].some(canBeUp)) return failure('refused', 'no guest runs');
      if (state.idleHarts.length === 0) return undefined;
      return failure(
        'refused',
        `every hart has to be online in the one OS there is; hart ${state.idleHarts.join(', ')} is not`,
      );
    case 'cpu.give-up':
      if (state.harts.length === 1 || hartsToGiveUp(state, args) < state.harts.length) return undefined;
      return failure('refused', `the node has ${state.harts.length} harts: a guest cannot give up all of them`);
    case 'memory.replace':
      if (!state.isVirtualized) return failure('not-virtualized', 'the node is bare');
      return state.bankIsFree ? undefined : failure('refused', 'every bank has an owner');
    case 'memory.give-up':
    case 'memory.take-up': {
      const { owner } = state.banks[otherGuest(name!)];
      return owner === null || owner === name ? undefined : failure('no-memory', `${owner} has that memory`);
    }
    case 'vm.create':
      if (!state.isVirtualized) return failure('not-virtualized', 'the node is bare');
      if (guest) return failure('refused', `a guest ${name} exists`);
      if (state.banks[name!].owner !== null) return failure('refused', 'no memory was given up');
      return (
        (args['standby'] === undefined ? missingDisk(state, disk) : refusedStandby(state, args)) ?? inUse(state, disk)
      );
    case 'vm.keep':
      if (!state.isVirtualized) return failure('not-virtualized', 'the node is bare');
      return name === state.serving ? failure('refused', `${name} has the service`) : undefined;
    case 'vm.boot':
      if (!guest) return failure('no-such-guest', `the node has no guest ${name}`);
      return guest.runs ? failure('refused', `${name} runs already`) : undefined;
    case 'vm.destroy':
      if (!guest) return undefined;
      if (!state.isVirtualized) return failure('not-virtualized', 'the node is bare');
      return state.guests.size === 1 ? failure('refused', `${name} is the only guest`) : undefined;
    case 'guest.shutdown':
      return state.isVirtualized ? undefined : failure('not-virtualized', 'a bare node has one OS');
    case 'disk.clone':
    case 'disk.remove':
      return inUse(state, disk);
    case 'disk.attach':
      if (!state.disks.has(disk)) return missingDisk(state, disk);
      if (!guest) return failure('no-such-guest', `the node has no guest ${name}`);
      return args['readOnly'] === true || state.attached.has(`${name}:${disk}`) ? undefined : inUse(state, disk);
    case 'device.move':
    case 'disk.move':
    case 'service.relay':
    case 'service.drain':
    case 'service.cut-over': {
      const to = args['to'] as GuestName;
      return canBeUp(state.guests.get(to)) ? undefined : notRunning(to);
    }
    case 'service.check': {
      if (name === undefined) return state.answers ? undefined : failure('service-down', 'nobody answers');
      return guest?.runs && guest.serviceRuns ? undefined : failure('service-down', `${name} does not answer`);
    }
    default:
      return undefined;
  }
}

function missingDisk(state: ModelState, disk: string): NodeFailure | undefined {
  return state.disks.has(disk) ? undefined : failure('no-such-disk', `the node has no disk ${disk}`);
}

const standbyOf = (state: ModelState, args: Args): ModelStandby | undefined =>
  args['standby'] === undefined ? undefined : state.findStandby(String(args['standby']));

function inUse(state: ModelState, disk: string): NodeFailure | undefined {
  return state.isInUse(disk) ? failure('refused', `disk ${disk} is in use by a guest`) : undefined;
}

function refusedStandby(state: ModelState, args: Args): NodeFailure | undefined {
  const standby = standbyOf(state, args);
  if (!standby) return failure('no-such-standby', `the node kept no guest as ${args['standby']}`);
  return standby.age === 'worthless' ? failure('refused', `${args['standby']} was kept before the commit`) : undefined;
}

function removeUnused(state: ModelState, disk: string): void {
  if (!state.isInUse(disk)) state.disks.delete(disk);
}

function change(harts: readonly ModelHart[], what: Partial<ModelHart>): void {
  for (const hart of harts) Object.assign(hart, what);
}

/** None of a node that has one. */
function hartsToGiveUp({ harts }: ModelState, args: Args): number {
  const asked = args['harts'];
  if (harts.length === 1) return 0;
  return typeof asked === 'number' ? asked : Math.floor(harts.length / 2);
}

const numbersOf = ({ harts }: ModelState, owner: GuestName | null): number[] =>
  harts.flatMap((hart, number) => (hart.owner === owner ? [number] : []));

const notRunning = (name: GuestName): NodeFailure => failure('guest-not-running', `${name} does not run`);

function guestOf(args: Args): GuestName | undefined {
  const name = args['guest'] ?? args['from'];
  return typeof name === 'string' ? (name as GuestName) : undefined;
}

/** A standby that is woken has what it had when it was kept. */
function boot(guest: ModelGuest): void {
  guest.installed = guest.standby ?? guest.installed;
  guest.runs = true;
  guest.serviceRuns = true;
  guest.booted = guest.installed;
}

function runIn(guest: ModelGuest, [program = '', verb = '']: readonly string[]): void {
  if (program.endsWith('/mv-service')) guest.serviceRuns = verb === 'start';
  else if (program.endsWith('/mv-upgrade')) guest.installed = guest.booted + 1;
}

function osOf(state: ModelState, name: GuestName, packages: Json | undefined): { readonly [name: string]: Json } {
  const guest = state.guests.get(name);
  const version = (n: number): string => `${n}.0-model`;
  const names = Array.isArray(packages) ? packages.map(String) : [];
  return {
    kernel: version(guest?.booted ?? 0),
    osRelease: { ID: 'model' },
    packages: Object.fromEntries(names.map((pkg) => [pkg, version(guest?.installed ?? 0)])),
  };
}
