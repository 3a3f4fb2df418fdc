/**
 * Real-time clock of the Goldfish platform. Source: Linux drivers/rtc/rtc-goldfish.c and the Goldfish virtual hardware
 * document, "Real-time clock". Time is in nanoseconds since 1970.
 */
import { RTC_EPOCH_MS } from '../board.ts';
import type { AccessBytes, MmioDevice, Snapshotted, SnapshotValue, Wire } from '../door.ts';
import type { Timer, TimerSource } from '../event-queue.ts';
import { SnapshotPart } from '../snapshot-part.ts';

const TIME_LOW = 0x00; // reading it latches TIME_HIGH
const TIME_HIGH = 0x04; // written first when the time is set
const ALARM_LOW = 0x08; // writing it arms the alarm
const ALARM_HIGH = 0x0c;
const IRQ_ENABLED = 0x10;
const CLEAR_ALARM = 0x14;
const ALARM_STATUS = 0x18;
const CLEAR_INTERRUPT = 0x1c;

const LOW_MASK = 0xffff_ffffn;
const EPOCH_NS = BigInt(RTC_EPOCH_MS) * 1_000_000n;

const VERSION = 1;

export interface GoldfishRtcOptions {
  readonly name: string;
  readonly timers: TimerSource;
  readonly wire: Wire;
}

export class GoldfishRtc implements MmioDevice, Snapshotted {
  readonly name: string;
  readonly #timers: TimerSource;
  readonly #wire: Wire;
  readonly #alarm: Timer;
  /** What setting the time has added to the board's calendar. */
  #offsetNs = 0n;
  #timeHigh = 0n;
  #alarmHigh = 0n;
  #alarmNs = 0n;
  #alarmOn = false;
  #irqEnabled = false;
  #irqPending = false;

  constructor(options: GoldfishRtcOptions) {
    this.name = options.name;
    this.#timers = options.timers;
    this.#wire = options.wire;
    this.#alarm = options.timers.timer(`${options.name}.alarm`, () => this.#alarmDue());
  }

  /** A clock runs through a reset: only the alarm goes. */
  reset(): void {
    this.#alarmOn = false;
    this.#irqEnabled = false;
    this.#irqPending = false;
    this.#alarm.disarm();
    this.#wire(false);
  }

  #timeNs(): bigint {
    return EPOCH_NS + BigInt(this.#timers.now()) + this.#offsetNs;
  }

  read(offset: number, bytes: AccessBytes): bigint {
    if (bytes !== 4) return 0n;
    switch (offset) {
      case TIME_LOW: {
        const time = this.#timeNs();
        this.#timeHigh = (time >> 32n) & LOW_MASK;
        return time & LOW_MASK;
      }
      case TIME_HIGH:
        return this.#timeHigh;
      case ALARM_LOW:
        return this.#alarmNs & LOW_MASK;
      case ALARM_HIGH:
        return this.#alarmNs >> 32n;
      case IRQ_ENABLED:
        return this.#irqEnabled ? 1n : 0n;
      case ALARM_STATUS:
        return this.#alarmOn ? 1n : 0n;
      default:
        return 0n;
    }
  }

  write(offset: number, bytes: AccessBytes, value: bigint): void {
    if (bytes !== 4) return;
    switch (offset) {
      case TIME_LOW:
        this.#offsetNs += ((this.#timeHigh << 32n) | value) - this.#timeNs();
        this.#armAlarm();
        break;
      case TIME_HIGH:
        this.#timeHigh = value;
        break;
      case ALARM_LOW:
        this.#alarmNs = (this.#alarmHigh << 32n) | value;
        this.#alarmOn = true;
        this.#armAlarm();
        break;
      case ALARM_HIGH:
        this.#alarmHigh = value;
        break;
      case IRQ_ENABLED:
        this.#irqEnabled = (value & 1n) === 1n;
        this.#updateWire();
        break;
      case CLEAR_ALARM:
        this.#alarmOn = false;
        this.#alarm.disarm();
        break;
      case CLEAR_INTERRUPT:
        this.#irqPending = false;
        this.#updateWire();
        break;
    }
  }

  #armAlarm(): void {
    if (!this.#alarmOn) return;
    const waitNs = this.#alarmNs - this.#timeNs();
    const atNs = BigInt(this.#timers.now()) + (waitNs > 0n ? waitNs : 0n);
    if (atNs > BigInt(Number.MAX_SAFE_INTEGER)) this.#alarm.disarm();
    else this.#alarm.arm(Number(atNs));
  }

  #alarmDue(): void {
    this.#alarmOn = false;
    this.#irqPending = true;
    this.#updateWire();
  }

  #updateWire(): void {
    this.#wire(this.#irqPending && this.#irqEnabled);
  }

  save(): SnapshotValue {
    return {
      version: VERSION,
      offsetNs: this.#offsetNs,
      timeHigh: this.#timeHigh,
      alarmHigh: this.#alarmHigh,
      alarmNs: this.#alarmNs,
      alarmOn: this.#alarmOn,
      irqEnabled: this.#irqEnabled,
      irqPending: this.#irqPending,
    };
  }

  restore(state: SnapshotValue): void {
    const part = new SnapshotPart(this.name, state, VERSION);
    this.#offsetNs = part.bigint('offsetNs');
    this.#timeHigh = part.bigint('timeHigh');
    this.#alarmHigh = part.bigint('alarmHigh');
    this.#alarmNs = part.bigint('alarmNs');
    this.#alarmOn = part.boolean('alarmOn');
    this.#irqEnabled = part.boolean('irqEnabled');
    this.#irqPending = part.boolean('irqPending');
    this.#updateWire();
  }
}
