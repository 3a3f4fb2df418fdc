/**
 * What became of every slot of a prober, in the order of the slots. Kept in columns (about 30 bytes a slot), saved as
 * JSON lines: a line that describes the probe, then one line a slot.
 *
 * Invariant: `atNs` grows from record to record. A log that is full forgets its older half: whoever waits for a day and
 * goes on probing has to go on.
 */

/** `unreachable`: nobody has the address. `bad-content`: not HTTP, cut short, or the wrong body. */
const PROBE_OUTCOMES = ['ok', 'timeout', 'refused', 'reset', 'unreachable', 'bad-status', 'bad-content'] as const;
export type ProbeOutcome = (typeof PROBE_OUTCOMES)[number];

export interface ProbeRecord {
  /** When the slot began and its request was started. */
  readonly atNs: number;
  readonly outcome: ProbeOutcome;
  /** From the start of the slot to the end of the answer, or to the failure. */
  readonly latencyNs: number;
  /** Server field of the answer, '' when there was none. */
  readonly servedBy: string;
}

/** The part of a probe's description that its log needs to be read. */
export interface ProbeSchedule {
  readonly intervalNs: number;
  readonly deadlineNs: number;
}

/** 23 hours of a probe every 5 ms. */
const SLOTS_MAX = 16 * 1024 * 1024;
const SERVERS_MAX = 256;
const INITIAL_SLOTS = 1024;
const FORMAT = 'microvisor-probe/1';

export class ProbeLogFormatError extends Error {
  override readonly name = 'ProbeLogFormatError';
}

export class ProbeLog {
  readonly schedule: ProbeSchedule;
  #atNs = new Float64Array(INITIAL_SLOTS);
  #latencyNs = new Float64Array(INITIAL_SLOTS);
  #outcome = new Uint8Array(INITIAL_SLOTS);
  #server = new Uint16Array(INITIAL_SLOTS);
  readonly #servers: string[] = [];
  #length = 0;

  readonly #slotsMax: number;

  constructor(schedule: ProbeSchedule, slotsMax = SLOTS_MAX) {
    this.schedule = schedule;
    this.#slotsMax = slotsMax;
  }

  get length(): number {
    return this.#length;
  }

  at(index: number): ProbeRecord {
    if (index < 0 || index >= this.#length) throw new RangeError(`record ${index} of a log of ${this.#length}`);
    return {
      atNs: this.#atNs[index]!,
      outcome: PROBE_OUTCOMES[this.#outcome[index]!]!,
      latencyNs: this.#latencyNs[index]!,
      servedBy: this.#servers[this.#server[index]!]!,
    };
  }

  /** Index of the first slot that began at or after `ns`. */
  indexAt(ns: number): number {
    let low = 0;
    let high = this.#length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#atNs[middle]! < ns) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  *records(fromIndex = 0): Generator<ProbeRecord> {
    for (let index = fromIndex; index < this.#length; index++) yield this.at(index);
  }

  append(record: ProbeRecord): void {
    if (this.#length >= this.#slotsMax) this.#forgetHalf();
    const index = this.#length;
    if (index > 0 && record.atNs <= this.#atNs[index - 1]!) {
      throw new RangeError(`slot at ${record.atNs} ns after slot at ${this.#atNs[index - 1]} ns`);
    }
    if (index === this.#atNs.length) this.#grow();
    this.#atNs[index] = record.atNs;
    this.#latencyNs[index] = record.latencyNs;
    this.#outcome[index] = PROBE_OUTCOMES.indexOf(record.outcome);
    this.#server[index] = this.#serverIndex(record.servedBy);
    this.#length++;
  }

  #serverIndex(name: string): number {
    const known = this.#servers.indexOf(name);
    if (known >= 0) return known;
    if (this.#servers.length >= SERVERS_MAX) return this.#serverIndex(this.#servers[0]!);
    return this.#servers.push(name) - 1;
  }

  #forgetHalf(): void {
    const from = this.#length >>> 1;
    for (const column of [this.#atNs, this.#latencyNs, this.#outcome, this.#server]) {
      column.copyWithin(0, from, this.#length);
    }
    this.#length -= from;
  }

  #grow(): void {
    const slots = this.#atNs.length * 2;
    const grown = <T extends { set(from: T): void }>(from: T, to: T): T => {
      to.set(from);
      return to;
    };
    this.#atNs = grown(this.#atNs, new Float64Array(slots));
    this.#latencyNs = grown(this.#latencyNs, new Float64Array(slots));
    this.#outcome = grown(this.#outcome, new Uint8Array(slots));
    this.#server = grown(this.#server, new Uint16Array(slots));
  }

  /** First line of a saved log, without line end. */
  header(): string {
    return JSON.stringify({ format: FORMAT, ...this.schedule });
  }

  /** The whole log as JSON lines. */
  save(): string {
    return `${[this.header(), ...Array.from(this.records(), probeLine)].join('\n')}\n`;
  }

  /**
   * Reads a saved log; a last line without its line end is one whose writer was killed, and is left out.
   * @throws ProbeLogFormatError saying which line is wrong
   */
  static restore(text: string): ProbeLog {
    const lines = text.split('\n');
    lines.pop();
    const [first = '', ...rest] = lines;
    const header = parseLine(first, 1);
    const { intervalNs, deadlineNs } = header;
    if (header['format'] !== FORMAT || !isTime(intervalNs) || !isTime(deadlineNs)) {
      throw new ProbeLogFormatError(`line 1: expected the header of a ${FORMAT} log, found ${first.slice(0, 80)}`);
    }
    const log = new ProbeLog({ intervalNs, deadlineNs });
    for (const [index, line] of rest.entries()) log.append(parseRecord(line, index + 2));
    return log;
  }
}

/** One record as a line of a saved log, without line end. */
const probeLine = (record: ProbeRecord): string => JSON.stringify(record);

const isTime = (value: unknown): value is number =>
  typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;

function parseLine(line: string, number: number): { readonly [key: string]: unknown } {
  try {
    const value: unknown = JSON.parse(line);
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return { ...value };
  } catch (cause) {
    throw new ProbeLogFormatError(`line ${number}: expected a JSON object, found ${line.slice(0, 80)}`, { cause });
  }
  throw new ProbeLogFormatError(`line ${number}: expected a JSON object, found ${line.slice(0, 80)}`);
}

function parseRecord(line: string, number: number): ProbeRecord {
  const { atNs, outcome, latencyNs, servedBy } = parseLine(line, number) as Record<string, unknown>;
  const known = PROBE_OUTCOMES.find((candidate) => candidate === outcome);
  if (!isTime(atNs) || !isTime(latencyNs) || known === undefined || typeof servedBy !== 'string') {
    throw new ProbeLogFormatError(`line ${number}: expected a slot of a probe, found ${line.slice(0, 80)}`);
  }
  return { atNs, outcome: known, latencyNs, servedBy };
}
