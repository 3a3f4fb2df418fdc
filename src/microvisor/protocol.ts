/**
 * What the node and the Microvisor say to each other through the service mailbox: one JSON request, one JSON response.
 * A refused request changes nothing. Work that takes long (booting an OS) is started by its request and followed with
 * `status`.
 */
import type { MemoryRegion, Side } from '../machine/index.ts';
import { Fields, isObject } from './fields.ts';
import { hex, type SlotName } from './partition.ts';
import { Refusal, type RefusalCode } from './refusal.ts';
import type { MicrovisorStatus, ResumePoint } from './status.ts';

export type ControlRequest =
  /** Slips the Microvisor under the running OS. Its side becomes the production guest and owns all there is. */
  | { readonly op: 'virtualize' }
  /** Takes the Microvisor out from under the one guest that is left. */
  | { readonly op: 'devirtualize' }
  /**
   * Takes `memory` and `slots` from their owner and makes them, with the side's block, a new guest without an OS. `harts`:
   * the ones it has, of which those that another guest has are shared; absent: the first one, shared.
   */
  | {
      readonly op: 'createVm';
      readonly side: Side;
      readonly harts?: readonly number[];
      readonly memory: readonly MemoryRegion[];
      readonly slots: readonly SlotName[];
    }
  /** Starts loading the guest's OS from its boot disk; `status` tells when it runs. */
  | { readonly op: 'bootVm'; readonly side: Side }
  /** Enters the OS that sleeps in the guest's memory; a guest that does not sleep has been given one that does. */
  | { readonly op: 'wakeVm'; readonly side: Side; readonly resume: ResumePoint }
  /** Takes the power from a guest, which keeps what it owns and can be booted again. */
  | { readonly op: 'stopVm'; readonly side: Side }
  /** Ends a guest, resets its devices, frees all it owned. A guest that runs is ended only with `force`. */
  | { readonly op: 'destroyVm'; readonly side: Side; readonly force: boolean }
  /** Hands a device whose driver has let it go to another guest, or to nobody. */
  | { readonly op: 'moveSlot'; readonly slot: SlotName; readonly owner: Side | null }
  /** Hands memory its owner has given up to another guest, or to nobody. */
  | { readonly op: 'setMemory'; readonly region: MemoryRegion; readonly owner: Side | null }
  /** Hands a hart that its guests have stopped to a guest, or to nobody. */
  | { readonly op: 'moveHart'; readonly hart: number; readonly owner: Side | null }
  /** Names the guest that goes first. */
  | { readonly op: 'setProduction'; readonly side: Side }
  /** What the other guest gets while production wants the hart: percent of the time, in slices. */
  | { readonly op: 'setShare'; readonly maintenancePercent: number; readonly sliceUs: number }
  /** Hands the node over to the image of the Microvisor that was put into the other bank. */
  | { readonly op: 'replace' }
  /** Begins a new interval for the longest pauses. */
  | { readonly op: 'mark' }
  | { readonly op: 'status' };

export type ControlOperation = ControlRequest['op'];

export type ControlResponse =
  | {
      readonly ok: true;
      readonly status: MicrovisorStatus;
      /** How long the OS that ran was kept from running by this request, in virtual time, up to the response. */
      readonly switchNs: number;
    }
  | { readonly ok: false; readonly error: { readonly code: RefusalCode; readonly message: string } };

const encoder = new TextEncoder();
const decoder = new TextDecoder('utf-8', { fatal: true });

export const encodeRequest = (request: ControlRequest): Uint8Array => encoder.encode(JSON.stringify(request));
export const encodeResponse = (response: ControlResponse): Uint8Array => encoder.encode(JSON.stringify(response));
export const decodeResponse = (bytes: Uint8Array): ControlResponse => JSON.parse(decoder.decode(bytes));

/** @throws Refusal `bad-request` that says what was expected and what was found. */
export function decodeRequest(bytes: Uint8Array): ControlRequest {
  const fields = new Fields(parseObject(bytes));
  const op = fields.text('op');
  switch (op) {
    case 'virtualize':
    case 'devirtualize':
    case 'replace':
    case 'mark':
    case 'status':
      return { op };
    case 'createVm':
      return {
        op,
        side: fields.side('side'),
        ...(fields.has('harts') ? { harts: fields.list('harts', hartId) } : {}),
        memory: fields.list('memory', region),
        slots: fields.list('slots', slot),
      };
    case 'bootVm':
    case 'stopVm':
    case 'setProduction':
      return { op, side: fields.side('side') };
    case 'wakeVm':
      return { op, side: fields.side('side'), resume: resumePoint(fields.object('resume')) };
    case 'destroyVm':
      return { op, side: fields.side('side'), force: fields.boolean('force') };
    case 'moveSlot':
      return { op, slot: slot(fields.object('slot')), owner: fields.owner('owner') };
    case 'moveHart':
      return { op, hart: fields.integer('hart'), owner: fields.owner('owner') };
    case 'setMemory':
      return { op, region: region(fields.object('region')), owner: fields.owner('owner') };
    case 'setShare':
      return { op, maintenancePercent: fields.integer('maintenancePercent'), sliceUs: fields.integer('sliceUs') };
    default:
      throw new Refusal('bad-request', `no operation '${op}'`);
  }
}

function parseObject(bytes: Uint8Array): unknown {
  let value: unknown;
  try {
    value = JSON.parse(decoder.decode(bytes));
  } catch (error) {
    throw new Refusal('bad-request', `a request is JSON in UTF-8: ${String(error)}`);
  }
  if (!isObject(value)) throw new Refusal('bad-request', `a request is a JSON object, not ${JSON.stringify(value)}`);
  return value;
}

const region = (value: unknown): MemoryRegion => {
  const fields = new Fields(value);
  return { base: fields.integer('base'), bytes: fields.integer('bytes') };
};

const slot = (value: unknown): SlotName => {
  const fields = new Fields(value);
  return { side: fields.side('side'), index: fields.integer('index') };
};

const resumePoint = (value: unknown): ResumePoint => {
  const fields = new Fields(value);
  return { hart: fields.integer('hart'), address: hex(fields.bits('address')), opaque: hex(fields.bits('opaque')) };
};

function hartId(value: unknown): number {
  if (typeof value === 'number' && Number.isSafeInteger(value)) return value;
  throw new Refusal('bad-request', `a hart is an integer, not ${JSON.stringify(value)}`);
}
