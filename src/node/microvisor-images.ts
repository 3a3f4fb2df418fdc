/** Images of the Microvisor in the banks of firmware memory, and which of them is in charge. */
import type { Firmware } from '../firmware/index.ts';
import { type Machine, memoryMap } from '../machine/index.ts';
import { MICROVISOR_ENTRIES, Microvisor, MonitorBank, RELEASES } from '../microvisor/index.ts';
import { NodeError } from './node-error.ts';

export class MicrovisorImages {
  readonly #machine: Machine;
  readonly #firmware: Firmware;
  readonly #banks = MICROVISOR_ENTRIES.map((entry) => new MonitorBank(entry));
  #inCharge: Microvisor;

  /** @param release of the image a node begins with. @throws NodeError `refused` */
  constructor(machine: Machine, firmware: Firmware, release: string) {
    this.#machine = machine;
    this.#firmware = firmware;
    for (const bank of this.#banks) machine.attach(bank);
    this.#inCharge = this.load(release);
    this.#inCharge.install();
  }

  get inCharge(): Microvisor {
    return this.#inCharge;
  }

  /** Puts an image of a release into the bank that is free. @throws NodeError `refused` */
  load(name: string): Microvisor {
    const release = RELEASES.find((each) => each.name === name);
    if (release === undefined) {
      const known = RELEASES.map((each) => each.name).join(', ');
      throw new NodeError('refused', `expected a release of the Microvisor (${known}), found '${name}'`);
    }
    const bank = this.#banks.find(({ image }) => image === undefined || image !== this.#inCharge)!;
    const { harts, bankBytes } = this.#machine.options;
    const board = memoryMap(bankBytes);
    const rom = this.#machine;
    const image = new Microvisor({ firmware: this.#firmware, board, harts, rom, entry: bank.entry, release });
    bank.load(image);
    return image;
  }

  /** Says that an image loaded here has taken over. */
  hasTakenOver(image: Microvisor): void {
    this.#inCharge = image;
  }
}
