/** fflags, frm, and the truth values that generated code asks before it takes its native path. */
import type { HartArea } from './hart-area.ts';
import { FS_DIRTY, FS_SHIFT, MSTATUS } from './mstatus.ts';

export const FFLAG_NX = 1;

export class FloatState {
  readonly #area: HartArea;
  #frm = 0;

  constructor(area: HartArea) {
    this.#area = area;
  }

  get fflags(): number {
    return this.#area.word('fflags');
  }

  set fflags(value: number) {
    this.#area.setWord('fflags', value);
    this.dirty();
  }

  get frm(): number {
    return this.#frm;
  }

  set frm(value: number) {
    this.#frm = value;
    this.dirty();
  }

  /** fcsr as it was, FS untouched: reset and snapshots. */
  replace(fflags: number, frm: number): void {
    this.#area.setWord('fflags', fflags);
    this.#frm = frm;
    this.statusChanged();
  }

  /** Floating-point state was written. */
  dirty(): void {
    this.#area.setWord('mstatus', this.#area.word('mstatus') | MSTATUS.FS);
    this.statusChanged();
  }

  /** mstatus.FS or fcsr is new. */
  statusChanged(): void {
    const fs = (this.#area.word('mstatus') & MSTATUS.FS) >> FS_SHIFT;
    const isDirty = fs === FS_DIRTY;
    const isInexact = (this.fflags & FFLAG_NX) !== 0;
    this.#area.setWord('accruedInexact', isInexact ? 1 : 0);
    this.#area.setWord('accruedInexactNearest', isInexact && this.#frm === 0 ? 1 : 0);
    this.#area.setWord('floatOn', fs !== 0 ? 1 : 0);
    this.#area.setWord('floatDirty', isDirty ? 1 : 0);
    this.#area.setWord('inexactAccrued', isDirty && isInexact ? 1 : 0);
    this.#area.setWord('inexactSilently', isDirty && isInexact && this.#frm === 0 ? 1 : 0);
  }
}
