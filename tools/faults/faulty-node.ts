/**
 * The process of a node that is woken, served like any other, and to which faults happen at their instants of node time:
 * `faulty-node.ts SAVED STATE_DIR FAULTS`, forked with a channel.
 *
 * Where a process has to be killed the node stands still and says so; it goes on when it is told to. So it does not
 * matter how fast the processes are.
 */
import { writeFileSync } from 'node:fs';
import type { GuestName } from '../../src/engine/index.ts';
import { memoryMap } from '../../src/machine/index.ts';
import { encodeRequest } from '../../src/microvisor/index.ts';
import { LocalNode } from '../../src/node/node-port.ts';
import { serveNode } from '../../src/node/server.ts';
import { createStateDirectory } from '../../src/node/state-directory.ts';
import type { Fault } from './fault.ts';
import { clientsPath, trapHandlerOffset, wakeNode } from './saved-node.ts';

/** What is so when a fault happens. */
export interface Circumstances {
  readonly atNs: number;
  /** The guest that has the data disk: a name of the run, or nobody while it changes hands. */
  readonly holder: GuestName | null;
  readonly up: readonly GuestName[];
  readonly virtualized: boolean;
}

export type FromNode =
  | { readonly type: 'ready' }
  | {
      readonly type: 'fault';
      readonly index: number;
      readonly circumstances: Circumstances;
    }
  | { readonly type: 'gone-on' }
  | { readonly type: 'noted' };

export type ToNode =
  /** Lets the node run again, for `ns` at least: as long as it takes until a new mvctl is there. */
  | { readonly type: 'go-on'; readonly ns: number }
  /** Lets it run again. */
  | { readonly type: 'release' }
  /** Notes what the clients know. */
  | { readonly type: 'note' };

const [, , saved = '', stateDir = '', faultsJson = '[]'] = process.argv;
const faults = JSON.parse(faultsJson) as readonly Fault[];
const state = createStateDirectory(stateDir);
const { node } = wakeNode(saved, stateDir);
const { machine, executive } = node;
const DATA_DISK = 'store';
const GUESTS = ['old', 'new'] as const;

const tell = (message: FromNode): void => {
  process.send?.(message);
};

/** What the clients know outlasts the node, whose process they live in. */
function note(): void {
  writeFileSync(clientsPath(stateDir), JSON.stringify(node.probe.acknowledgedRecords));
}

function circumstances(): Circumstances {
  return {
    atNs: machine.now(),
    holder: GUESTS.find((name) => node.guests.find(name)?.extraDisks.has(DATA_DISK)) ?? null,
    up: GUESTS.filter((name) => node.isUp(name)),
    virtualized: node.virtualized,
  };
}

/** What a person with a root shell on the guest's console would type. */
function type(guest: GuestName, text: string): void {
  const side = node.guests.find(guest)?.side;
  if (side !== undefined) machine.uart(side).input(new TextEncoder().encode(`${text}\r`));
}

/** Takes the power from a guest; the OS of a bare node has the node's power switch. */
function powerOff(guest: GuestName): void {
  const side = node.guests.find(guest)?.side;
  if (side === undefined) return;
  if (node.virtualized) machine.postMailbox(encodeRequest({ op: 'stopVm', side }), () => {});
  else type(guest, 'echo o >/proc/sysrq-trigger');
}

/** `j .` where the kernel's trap handler begins: the next trap never ends. */
function hang(guest: GuestName): void {
  const side = node.guests.find(guest)?.side;
  if (side === undefined) return;
  const kernel = memoryMap(machine.options.bankBytes).bank[side].base;
  machine.memory.write(kernel + trapHandlerOffset(saved), Uint8Array.of(0x6f, 0, 0, 0));
}

function standStill(): void {
  executive.hold();
  machine.pause();
}

function happen(fault: Fault, index: number): void {
  const before = { type: 'fault', index, circumstances: circumstances() } as const;
  const later = (ms: number, what: () => void): void => {
    machine.scheduler.at(machine.now() + ms * 1e6, what);
  };
  switch (fault.kind) {
    case 'panic':
      type(fault.guest, 'echo c >/proc/sysrq-trigger');
      break;
    case 'hang':
      hang(fault.guest);
      break;
    case 'power-off':
      powerOff(fault.guest);
      break;
    case 'power cut':
      note();
      standStill();
      break;
    case 'kill mvctl':
      standStill();
      break;
    case 'I/O errors':
      node.disks.break(DATA_DISK);
      later(fault.forMs, () => node.disks.mend(DATA_DISK));
      break;
    case 'disk full': {
      const { holder } = before.circumstances;
      const script = `fallocate -l $(($(stat -f -c %a*%S /srv/store))) /srv/store/ballast`;
      if (holder !== null) type(holder, `${script}; sleep ${fault.forMs / 1000}; rm -f /srv/store/ballast`);
      break;
    }
    case 'network down': {
      // A port that is attached again is attached once.
      const pull = node.ethernet.attach(node.probe.stack);
      pull();
      later(fault.forMs, () => node.ethernet.attach(node.probe.stack));
      break;
    }
  }
  tell(before);
}

process.on('message', (message: ToNode) => {
  if (message.type === 'note') {
    note();
    tell({ type: 'noted' });
    return;
  }
  executive.release();
  if (message.type === 'release') return;
  void executive.drive(executive.sleep(message.ns)).then(() => tell({ type: 'gone-on' }));
});

executive.onOff = () => {
  note();
  process.exit(0);
};
const port = new LocalNode({ node, bootId: 'boot-1', actsPath: state.acts });
const server = await serveNode(port, state.socket, () => {
  server.close();
  process.exit(0);
});
for (const [index, fault] of faults.entries()) machine.scheduler.at(fault.atNs, () => happen(fault, index));
tell({ type: 'ready' });
