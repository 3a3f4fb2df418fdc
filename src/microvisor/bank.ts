import type { MachineModeEntry, MachineModeHart, MachineModeProgram, MachineModeReturn } from '../machine/index.ts';
import type { Microvisor } from './microvisor.ts';
import { hex } from './partition.ts';

/** A place in firmware memory for an image of the Microvisor: a hart that enters it finds the image that is there now. */
export class MonitorBank implements MachineModeProgram {
  readonly entry: number;
  #image: Microvisor | undefined;

  /** One of MICROVISOR_ENTRIES. */
  constructor(entry: number) {
    this.entry = entry;
  }

  get image(): Microvisor | undefined {
    return this.#image;
  }

  /** @throws Error while a hart is in the image that is there, or for an image that is for another bank */
  load(image: Microvisor): void {
    if (this.#image?.isAtWork === true) throw new Error(`a hart is in the image at ${hex(this.entry)}`);
    if (image.entry !== this.entry)
      throw new Error(`an image for ${hex(image.entry)} does not run at ${hex(this.entry)}`);
    this.#image = image;
  }

  enter(hart: MachineModeHart, why: MachineModeEntry): MachineModeReturn {
    if (this.#image === undefined) throw new Error(`no image of the Microvisor is at ${hex(this.entry)}`);
    return this.#image.enter(hart, why);
  }
}
