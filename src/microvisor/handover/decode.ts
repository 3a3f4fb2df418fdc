/** Reads a handover; everything is checked to be what it says it is. @throws Refusal `handover-mismatch` */
import { HART_STATE, PMP_ENTRIES, STEER } from '../../firmware/index.ts';
import { SIDES, type Side, SLOTS_PER_SIDE } from '../../machine/index.ts';
import type { SideAccount, WorstWakes } from '../account-book.ts';
import { Fields } from '../fields.ts';
import type { AccountState } from '../guest-account.ts';
import { CONTEXT_REGISTERS, type HartContext } from '../hart-context.ts';
import type { Owner } from '../partition.ts';
import { Refusal } from '../refusal.ts';
import { HANDOVER_FORMATS } from '../release.ts';
import {
  type GuestRecord,
  HANDED_PHASES,
  HANDED_WAITS,
  type Handover,
  type HartRecord,
  type NodeRecord,
  type VirtualHartRecord,
} from './record.ts';

const CODE = 'handover-mismatch';
const object = (value: unknown): Fields => new Fields(value, CODE);

export function decodeHandover(text: Uint8Array, format: number): Handover {
  const fields = object(JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(text)));
  const board = object(fields.object('board'));
  return {
    release: fields.text('release'),
    board: { ramBytes: board.integer('ramBytes'), harts: board.integer('harts') },
    node: fields.optional('node', nodeRecord),
    past: bySide(fields, 'past', sideAccount),
    worstWakes: format >= HANDOVER_FORMATS.wakes ? worstWakes(fields.object('worstWakes')) : null,
  };
}

function bySide<T>(fields: Fields, name: string, read: (value: unknown) => T): Record<Side, T> {
  const sides = object(fields.object(name));
  return { A: read(sides.object('A')), B: read(sides.object('B')) };
}

function nodeRecord(value: unknown): NodeRecord {
  const fields = object(value);
  const partition = object(fields.object('partition'));
  const [slots, blocks, share] = [
    object(partition.object('slots')),
    object(partition.object('blocks')),
    object(fields.object('share')),
  ];
  return {
    partition: {
      memory: partition.list('memory', (region) => {
        const of = object(region);
        return { base: of.integer('base'), bytes: of.integer('bytes'), owner: of.side('owner') };
      }),
      slots: { A: owners(slots, 'A'), B: owners(slots, 'B') },
      blocks: { A: blocks.owner('A'), B: blocks.owner('B') },
    },
    production: fields.side('production'),
    share: { percent: share.integer('percent'), sliceTicks: share.integer('sliceTicks') },
    guests: fields.list('guests', guestRecord),
    harts: fields.list('harts', hartRecord),
  };
}

function owners(slots: Fields, side: Side): readonly Owner[] {
  const all = slots.list(side, (value): Owner => {
    const owner = SIDES.find((each) => each === value);
    if (owner === undefined && value !== null) {
      throw new Refusal(CODE, `a slot belongs to a side or nobody, not ${JSON.stringify(value)}`);
    }
    return owner ?? null;
  });
  if (all.length !== SLOTS_PER_SIDE) throw new Refusal(CODE, `a side has ${SLOTS_PER_SIDE} slots, not ${all.length}`);
  return all;
}

function guestRecord(value: unknown): GuestRecord {
  const fields = object(value);
  return {
    side: fields.side('side'),
    phase: fields.word('phase', HANDED_PHASES),
    boots: fields.integer('boots'),
    bootError: fields.optional('bootError', (error) => {
      const of = object(error);
      return { code: of.text('code'), message: of.text('message') };
    }),
    account: accountState(fields.object('account')),
    harts: fields.list('harts', virtualHart),
  };
}

const counts = (value: unknown): Record<string, number> => {
  const fields = object(value);
  return Object.fromEntries(Object.keys(value as object).map((name) => [name, fields.integer(name)]));
};

function accountState(value: unknown): AccountState {
  const fields = object(value);
  return {
    exits: counts(fields.object('exits')),
    ranTicks: fields.integer('ranTicks'),
    instructions: fields.integer('instructions'),
    idleTicks: fields.integer('idleTicks'),
    heldTicks: fields.integer('heldTicks'),
    monitorCycles: fields.integer('monitorCycles'),
    switchesIn: fields.integer('switchesIn'),
    longestPauseTicks: fields.integer('longestPauseTicks'),
  };
}

function sideAccount(value: unknown): SideAccount {
  const fields = object(value);
  return {
    exits: counts(fields.object('exits')),
    ranNs: fields.integer('ranNs'),
    idleNs: fields.integer('idleNs'),
    heldNs: fields.integer('heldNs'),
    monitorNs: fields.integer('monitorNs'),
    switchesIn: fields.integer('switchesIn'),
  };
}

function worstWakes(value: unknown): WorstWakes {
  const fields = object(value);
  const sides = object(fields.object('bySide'));
  return { bySide: { A: sides.integer('A'), B: sides.integer('B') }, production: fields.integer('production') };
}

function virtualHart(value: unknown): VirtualHartRecord {
  const fields = object(value);
  return {
    id: fields.integer('id'),
    state: oneOf(Object.values(HART_STATE), fields.integer('state'), 'a state of a hart'),
    wait: fields.optional('wait', () => fields.word('wait', HANDED_WAITS)),
    context: fields.optional('context', hartContext),
    runnableSince: fields.optional('runnableSince', () => fields.integer('runnableSince')),
    isWoken: fields.boolean('isWoken'),
  };
}

function hartContext(value: unknown): HartContext {
  const fields = object(value);
  const registers = (name: keyof typeof CONTEXT_REGISTERS): readonly bigint[] => {
    const all = fields.bitsList(name);
    const count = CONTEXT_REGISTERS[name];
    if (all.length !== count) throw new Refusal(CODE, `a context has ${count} of '${name}', not ${all.length}`);
    return all;
  };
  return {
    x: registers('x'),
    f: registers('f'),
    fcsr: fields.bits('fcsr'),
    pc: fields.bits('pc'),
    mstatus: fields.bits('mstatus'),
    sie: fields.bits('sie'),
    ssip: fields.bits('ssip'),
    csrs: registers('csrs'),
  };
}

function hartRecord(value: unknown): HartRecord {
  const fields = object(value);
  const pmp = fields.list('pmp', (entry) => {
    const of = object(entry);
    return { config: of.integer('config'), address: of.bits('address') };
  });
  if (pmp.length !== PMP_ENTRIES) throw new Refusal(CODE, `a hart has ${PMP_ENTRIES} PMP entries, not ${pmp.length}`);
  const [steer, share] = [object(fields.object('steer')), object(fields.object('share'))];
  const steering = (side: Side) => oneOf(Object.values(STEER), steer.integer(side), 'where interrupts go');
  return {
    id: fields.integer('id'),
    loaded: fields.owner('loaded'),
    entered: fields.owner('entered'),
    pmp,
    steer: { A: steering('A'), B: steering('B') },
    timerTicks: fields.ticks('timerTicks'),
    isWaitTrapSet: fields.boolean('isWaitTrapSet'),
    share: { credit: share.integer('credit'), sliceEnd: share.ticks('sliceEnd'), left: share.integer('left') },
    run: fields.owner('run'),
    untilTicks: fields.ticks('untilTicks'),
    sinceTicks: fields.integer('sinceTicks'),
    instret: fields.bits('instret'),
    waited: fields.bits('waited'),
    unbookedCycles: fields.integer('unbookedCycles'),
  };
}

function oneOf<T extends number>(values: readonly T[], found: number, what: string): T {
  const value = values.find((each) => each === found);
  if (value === undefined) throw new Refusal(CODE, `${what} is one of ${values.join(', ')}, not ${found}`);
  return value;
}
