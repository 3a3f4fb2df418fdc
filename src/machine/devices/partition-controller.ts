/**
 * Partition controller: what M-mode software needs to give the two sides of the board to two OSs. Its registers are
 * `PARTITION_REGISTERS` of the door; those of 8 bytes can be reached in halves, all others are 4 bytes wide.
 *
 * Steering: the S-mode output of a side's PLIC for a hart goes to that hart's SEIP, to its MEIP, or nowhere. MEIP is
 * also asserted on hart 0 while a request waits in the mailbox.
 */
import { SIDES, type Side } from '../board.ts';
import {
  type AccessBytes,
  type MmioDevice,
  PARTITION_REGISTERS,
  type Snapshotted,
  type SnapshotValue,
} from '../door.ts';
import { SnapshotPart } from '../snapshot-part.ts';
import type { Iopmp } from './iopmp.ts';
import type { Mailbox } from './mailbox.ts';
import { readPart64, writePart64 } from './registers.ts';

const STEER = { mask: 3, seip: 1, meip: 2 } as const;
const PENDING_MAILBOX = 4;
const POWER = { reset: 1, off: 2 } as const;
const RANGE_BYTES = 16;
const MAILBOX_HART = 0;

const VERSION = 1;

export interface PartitionControllerOptions {
  readonly harts: number;
  readonly iopmp: Iopmp;
  readonly mailbox: Mailbox;
  readonly setLine: (hartId: number, line: 'SEIP' | 'MEIP', level: boolean) => void;
  readonly onPower: (action: 'reset' | 'off') => void;
  /** Called with what tells the service processor of a response. */
  readonly onResponse: (deliver: () => void) => void;
}

const sideIndex = (side: Side): number => SIDES.indexOf(side);

export class PartitionController implements MmioDevice, Snapshotted {
  readonly name = 'partition-controller';
  readonly #options: PartitionControllerOptions;
  /** By side. */
  readonly #steer: [number, number] = [0, 0];
  /** S-mode outputs of the PLICs, by side and hart. */
  readonly #outputs: readonly [boolean[], boolean[]];

  constructor(options: PartitionControllerOptions) {
    this.#options = options;
    const outputs = (): boolean[] => new Array<boolean>(options.harts).fill(false);
    this.#outputs = [outputs(), outputs()];
  }

  reset(): void {
    this.#steer.fill(0);
    this.#options.iopmp.reset();
    this.#options.mailbox.reset();
    this.#update();
  }

  setPlicOutput(side: Side, hartId: number, level: boolean): void {
    this.#outputs[sideIndex(side) as 0 | 1][hartId] = level;
    this.#update();
  }

  /** The mailbox got a request. */
  mailboxPosted(): void {
    this.#update();
  }

  read(offset: number, bytes: AccessBytes): bigint {
    const { iopmp, mailbox } = this.#options;
    if (offset >= PARTITION_REGISTERS.iopmp && offset < PARTITION_REGISTERS.iopmpDenied) {
      return this.#readRange(offset - PARTITION_REGISTERS.iopmp, bytes);
    }
    if (bytes !== 4) return 0n;
    if (offset >= PARTITION_REGISTERS.iopmpDenied) {
      return BigInt(iopmp.denied((offset - PARTITION_REGISTERS.iopmpDenied) >> 2));
    }
    switch (offset) {
      case PARTITION_REGISTERS.steer:
        return BigInt(this.#steer[0]);
      case PARTITION_REGISTERS.steer + 4:
        return BigInt(this.#steer[1]);
      case PARTITION_REGISTERS.pending:
        return BigInt(this.#pending());
      case PARTITION_REGISTERS.mailboxRequestBytes:
        return BigInt(mailbox.waitingBytes);
      case PARTITION_REGISTERS.mailboxData:
        return BigInt(mailbox.take());
      default:
        return 0n;
    }
  }

  write(offset: number, bytes: AccessBytes, value: bigint): void {
    if (offset >= PARTITION_REGISTERS.iopmp && offset < PARTITION_REGISTERS.iopmpDenied) {
      this.#writeRange(offset - PARTITION_REGISTERS.iopmp, bytes, value);
      return;
    }
    if (bytes !== 4) return;
    switch (offset) {
      case PARTITION_REGISTERS.steer:
      case PARTITION_REGISTERS.steer + 4:
        this.#steer[((offset - PARTITION_REGISTERS.steer) >> 2) as 0 | 1] = this.#legalSteer(Number(value));
        break;
      case PARTITION_REGISTERS.power:
        if (Number(value) === POWER.reset) this.#options.onPower('reset');
        if (Number(value) === POWER.off) this.#options.onPower('off');
        break;
      case PARTITION_REGISTERS.mailboxResponse:
        this.#options.mailbox.respond(Number(value));
        break;
      case PARTITION_REGISTERS.mailboxDone: {
        const deliver = this.#options.mailbox.done(Number(value));
        if (deliver !== undefined) this.#options.onResponse(deliver);
        break;
      }
    }
    this.#update();
  }

  #readRange(offset: number, bytes: AccessBytes): bigint {
    const range = this.#options.iopmp.range(Math.floor(offset / RANGE_BYTES));
    if (range === undefined || bytes < 4) return 0n;
    return readPart64(offset % RANGE_BYTES < 8 ? range.base : range.bytes, offset & 7, bytes);
  }

  #writeRange(offset: number, bytes: AccessBytes, value: bigint): void {
    const index = Math.floor(offset / RANGE_BYTES);
    const range = this.#options.iopmp.range(index);
    if (range === undefined || bytes < 4) return;
    const field = offset % RANGE_BYTES < 8 ? 'base' : 'bytes';
    this.#options.iopmp.setRange(index, field, writePart64(range[field], offset & 7, bytes, value));
  }

  /** Bits of the harts there are; the reserved encoding 3 reads back as off. */
  #legalSteer(value: number): number {
    let steer = 0;
    for (let hartId = 0; hartId < this.#options.harts; hartId++) {
      const to = (value >>> (2 * hartId)) & STEER.mask;
      if (to === STEER.seip || to === STEER.meip) steer |= to << (2 * hartId);
    }
    return steer;
  }

  #isSteered(side: 0 | 1, hartId: number, to: number): boolean {
    return this.#outputs[side][hartId]! && ((this.#steer[side] >>> (2 * hartId)) & STEER.mask) === to;
  }

  #pending(): number {
    let pending = this.#options.mailbox.isPending ? PENDING_MAILBOX : 0;
    for (let hartId = 0; hartId < this.#options.harts; hartId++) {
      if (this.#isSteered(0, hartId, STEER.meip)) pending |= 1;
      if (this.#isSteered(1, hartId, STEER.meip)) pending |= 2;
    }
    return pending;
  }

  #update(): void {
    const { harts, mailbox, setLine } = this.#options;
    for (let hartId = 0; hartId < harts; hartId++) {
      const goesTo = (to: number): boolean => this.#isSteered(0, hartId, to) || this.#isSteered(1, hartId, to);
      setLine(hartId, 'SEIP', goesTo(STEER.seip));
      setLine(hartId, 'MEIP', goesTo(STEER.meip) || (hartId === MAILBOX_HART && mailbox.isPending));
    }
  }

  save(): SnapshotValue {
    const { iopmp, mailbox } = this.#options;
    return { version: VERSION, steer: [...this.#steer], iopmp: iopmp.save(), mailbox: mailbox.save() };
  }

  /** The PLICs are restored before and have said what their outputs are. */
  restore(state: SnapshotValue): void {
    const part = new SnapshotPart(this.name, state, VERSION);
    const [a, b] = part.numbers('steer', 2) as [number, number];
    this.#steer[0] = a;
    this.#steer[1] = b;
    this.#options.iopmp.restore(part.value('iopmp'));
    this.#options.mailbox.restore(part.value('mailbox'));
    this.#update();
  }
}
