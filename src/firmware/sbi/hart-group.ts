/**
 * The harts of one OS: which run, and what one asks of another. A request is put in memory and the other hart's MSIP is
 * raised; it serves its requests in M-mode at once, since M-mode interrupts are always enabled below M-mode.
 */
import { ACLINT, type MachineModeHart } from '../../machine/index.ts';
import { CSR, INTERRUPT } from '../csr.ts';
import type { Waiting } from '../waiting.ts';

/** [SBI] "Hart State Management Extension", states as hart_get_status returns them. */
export const HART_STATE = { started: 0, stopped: 1, startPending: 2 } as const;
export type HartState = (typeof HART_STATE)[keyof typeof HART_STATE];

/** Where a started hart begins in S-mode: a0 = its id, a1 = `opaque`, satp = 0, interrupts off. */
export interface HartStart {
  readonly address: bigint;
  readonly opaque: bigint;
}

export type RemoteRequest =
  | { readonly kind: 'ipi' }
  | { readonly kind: 'fence'; readonly fence: RemoteFence; readonly done: (hart: MachineModeHart) => void }
  | { readonly kind: 'start'; readonly start: HartStart }
  /** M-mode work that is none of the OS's business. */
  | { readonly kind: 'call'; readonly call: RemoteCall }
  /** Only wakes the hart, so that it looks again at what it waits for. */
  | { readonly kind: 'wake' };

export type RemoteFence =
  | { readonly kind: 'fence.i' }
  /** `pages` pages from the address `start`, all when undefined; of one address space, or of all. */
  | {
      readonly kind: 'sfence.vma';
      readonly start: bigint;
      readonly pages: number | undefined;
      readonly asid: bigint | undefined;
    };

/** What a hart is asked to do in M-mode; `hart` is the one that does it. */
export type RemoteCall = (hart: MachineModeHart) => Waiting<void>;

/** What is left to do of what was asked of a hart. */
export interface Delivered {
  readonly start: HartStart | undefined;
  readonly calls: readonly RemoteCall[];
}

/** What one `sfence.vma` with an address is for. */
export const FENCED_PAGE_BYTES = 4096;
const MSIP_BYTES = 4;
const msipRegister = (hartId: number): number => ACLINT.base + MSIP_BYTES * hartId;

export class HartGroup {
  readonly #state = new Map<number, HartState>();
  readonly #requests = new Map<number, RemoteRequest[]>();

  /** All harts are stopped at first. */
  constructor(hartIds: readonly number[]) {
    for (const id of hartIds) this.resetHart(id);
  }

  get hartIds(): readonly number[] {
    return [...this.#state.keys()].sort((left, right) => left - right);
  }

  /** As out of reset: stopped, nothing asked of it. It is one of the group from now on. */
  resetHart(hartId: number): void {
    this.#state.set(hartId, HART_STATE.stopped);
    this.#requests.set(hartId, []);
  }

  removeHart(hartId: number): void {
    this.#state.delete(hartId);
    this.#requests.delete(hartId);
  }

  /** undefined: the group has no such hart. */
  state(hartId: number): HartState | undefined {
    return this.#state.get(hartId);
  }

  setState(hartId: number, state: HartState): void {
    this.#state.set(hartId, state);
  }

  started(): number[] {
    return this.hartIds.filter((id) => this.state(id) === HART_STATE.started);
  }

  post(hart: MachineModeHart, target: number, request: RemoteRequest): void {
    const queue = this.#requests.get(target);
    if (queue === undefined) throw new RangeError(`hart ${target} is not one of ${this.hartIds.join(', ')}`);
    queue.push(request);
    hart.store(msipRegister(target), MSIP_BYTES, 1n);
  }

  /**
   * Serves what other harts asked of this one, but for what it returns. `raise`: makes an inter-processor interrupt pending
   * for the OS, whose state may not be in the hart.
   */
  deliver(hart: MachineModeHart, raise: () => void = () => setSsip(hart, true)): Delivered {
    hart.store(msipRegister(hart.hartId), MSIP_BYTES, 0n);
    let start: HartStart | undefined;
    const calls: RemoteCall[] = [];
    for (const request of this.#requests.get(hart.hartId)?.splice(0) ?? []) {
      switch (request.kind) {
        case 'ipi':
          raise();
          break;
        case 'fence':
          executeFence(hart, request.fence);
          request.done(hart);
          break;
        case 'start':
          start = request.start;
          break;
        case 'call':
          calls.push(request.call);
          break;
        case 'wake':
          break;
      }
    }
    return { start, calls };
  }
}

/**
 * An inter-processor interrupt as S-mode sees it. Nobody uses the software bit of SEIP, and mip reads it together with the
 * PLIC's wire: writing back what was read would make a wire's level stick.
 */
export function setSsip(hart: MachineModeHart, level: boolean): void {
  const others = hart.csr(CSR.mip) & ~(INTERRUPT.SSI | INTERRUPT.SEI);
  hart.setCsr(CSR.mip, level ? others | INTERRUPT.SSI : others);
}

export function executeFence(hart: MachineModeHart, fence: RemoteFence): void {
  if (fence.kind === 'fence.i') hart.fenceI();
  else if (fence.pages === undefined) hart.fenceVma(undefined, fence.asid);
  else
    for (let page = 0; page < fence.pages; page++) {
      hart.fenceVma(fence.start + BigInt(page * FENCED_PAGE_BYTES), fence.asid);
    }
}
