/** What can go wrong in a run of the campaign, and when: a fault is data, drawn by the number of its run. */
import type { GuestName } from '../../src/engine/index.ts';
import { seededRandom } from '../../src/node/seeded-random.ts';
import type { Crash } from '../crash/kill-at-record.ts';

export type Fault =
  /** The kernel panics, loses its power, or loops in its trap handler with interrupts off. */
  | { readonly kind: 'panic' | 'power-off' | 'hang'; readonly guest: GuestName; readonly atNs: number }
  /** The process of mvctl that works on the node ends with SIGKILL. */
  | { readonly kind: 'kill mvctl'; readonly atNs: number }
  /** The node loses its power: its process ends, and what its disks had not written is gone. */
  | { readonly kind: 'power cut'; readonly atNs: number }
  /** Every request to the data disk fails for a while. */
  | { readonly kind: 'I/O errors'; readonly atNs: number; readonly forMs: number }
  /** The file system of the data is full for a while. */
  | { readonly kind: 'disk full'; readonly atNs: number; readonly forMs: number }
  /** No frame passes the switch for a while. */
  | { readonly kind: 'network down'; readonly atNs: number; readonly forMs: number };

/** mvctl is ended at a record of its journal, as tools/crash.ts does. */
export interface RecordCrash {
  readonly crash: Crash;
  readonly record: number;
}

/** What is under way when things go wrong; `none`: the server is only looked at. */
export type Maintenance = 'restart' | 'upgrade' | 'none';

export interface RunFaults {
  readonly seed: number;
  readonly maintenance: Maintenance;
  /** The copy is woken from the standby that the saved node has; else it boots. */
  readonly fromStandby: boolean;
  /** By instant. */
  readonly faults: readonly Fault[];
  readonly recordCrash: RecordCrash | undefined;
}

/** When, in node time, the steps of a run without a fault begin, by their names; `end` is that of the run. */
export interface Reference {
  readonly steps: Readonly<Record<string, number>>;
  readonly endNs: number;
  readonly records: number;
}

type Kind = Fault['kind'] | 'record';
/** What happens in a run, one after the other. */
type Row = readonly (Kind | `${'panic' | 'power-off' | 'hang'} ${GuestName}`)[];

/** Of a hundred runs. */
const SHARES: readonly (readonly [Row, number])[] = [
  [['panic old'], 14],
  [['panic new'], 12],
  [['power-off old'], 14],
  [['power-off new'], 11],
  [['hang old'], 3],
  [['hang new'], 3],
  [['kill mvctl'], 10],
  [['record'], 7],
  [['power cut'], 5],
  [['I/O errors'], 4],
  [['disk full'], 3],
  [['network down'], 4],
  // Two at once.
  [['kill mvctl', 'kill mvctl'], 3],
  [['power-off old', 'kill mvctl'], 3],
  [['power-off new', 'kill mvctl'], 2],
  [['power-off new', 'power-off old'], 2],
];

const RECORD_CRASHES = ['before', 'after', 'torn'] as const;
/** The second fault comes while the run deals with the first one. */
const SECOND_MS_MAX = 1_000;
const FOR_MS_MAX = 300;
const NS_PER_MS = 1e6;
/** Moves run N of one campaign far from run N of another. */
const RUNS_MAX = 1_000_000;

/** The faults of run `number`: the same ones whatever ran before. */
export function drawFaults(
  campaignSeed: number,
  number: number,
  { maintenance, fromStandby }: Pick<RunFaults, 'maintenance' | 'fromStandby'>,
  reference: Reference,
): RunFaults {
  const seed = campaignSeed * RUNS_MAX + number;
  const random = randomFrom(seed);
  const kinds = rowOf(campaignSeed, number);
  if (kinds[0] === 'record') {
    const crash = RECORD_CRASHES[Math.floor(random() * RECORD_CRASHES.length)] ?? 'after';
    const record = 1 + Math.floor(random() * reference.records);
    return { seed, maintenance, fromStandby, faults: [], recordCrash: { crash, record } };
  }
  const faults: Fault[] = [];
  for (const drawn of kinds) {
    // The trap handler of another kernel is elsewhere.
    const kind = maintenance === 'upgrade' && drawn === 'hang new' ? 'panic new' : drawn;
    const before = faults.at(-1);
    const atNs =
      before === undefined ? instant(kind, reference, random) : before.atNs + random() * SECOND_MS_MAX * NS_PER_MS;
    faults.push(faultOf(kind, Math.round(atNs), random));
  }
  return { seed, maintenance, fromStandby, faults, recordCrash: undefined };
}

/** Each hundred runs have every row as often as its share says, in an order that depends on the seed of the campaign. */
function rowOf(campaignSeed: number, number: number): Row {
  const random = randomFrom(campaignSeed * RUNS_MAX);
  const rows = SHARES.flatMap(([row, share]) => Array.from({ length: share }, () => ({ row, at: random() })));
  return rows.toSorted((one, other) => one.at - other.at)[(number - 1) % rows.length]!.row;
}

/** Numbers from 0 up to 1. */
function randomFrom(seed: number): () => number {
  const bytes = seededRandom(seed);
  return () => Buffer.from(bytes(4)).readUInt32LE() / 2 ** 32;
}

function faultOf(kind: string, atNs: number, random: () => number): Fault {
  const [what, guest] = kind.split(' ') as [string, GuestName];
  if (what === 'panic' || what === 'power-off' || what === 'hang') return { kind: what, guest, atNs };
  if (kind === 'kill mvctl' || kind === 'power cut') return { kind, atNs };
  const forMs = Math.ceil(random() * FOR_MS_MAX);
  return { kind: kind as 'I/O errors', atNs, forMs };
}

/**
 * Where faults of a kind fall: as long as there is what they hit. Half of them fall anywhere there, half from the moment
 * both are ready to the commit, which is a fifth of the time and where the service changes hands.
 */
function instant(kind: string, { steps, endNs }: Reference, random: () => number): number {
  const step = (name: string): number => {
    const atNs = steps[name];
    if (atNs === undefined) throw new Error(`the run without a fault had no step ${name}`);
    return atNs;
  };
  const whole: Readonly<Record<string, readonly [number, number]>> = {
    // A guest whose shell is not there yet can be typed nothing to.
    'panic new': [step('after'), step('slipOut')],
    'power-off new': [step('bootCopy' in steps ? 'bootCopy' : 'wakeStandby'), step('slipOut')],
    'hang new': [step('after'), step('slipOut')],
    'panic old': [step('giveUpMemory'), step('shutDownOld')],
    'hang old': [step('giveUpMemory'), step('shutDownOld')],
    'power-off old': [step('giveUpMemory'), step('shutDownOld')],
  };
  const [fromNs, toNs] =
    random() < 0.5 ? (whole[kind] ?? [step('slipUnder'), endNs]) : [step('after'), step('drainOld')];
  return fromNs + random() * (toNs - fromNs);
}

/** `KIND[ GUEST]@STEP+MS[ for MS]`, e.g. `power-off old@moveStore+60`, `I/O errors@soaking+500 for 200`. */
const WRITTEN =
  /^(panic|power-off|hang|kill mvctl|power cut|I\/O errors|disk full|network down)(?: (old|new))?@(\w+)\+(\d+)(?: for (\d+))?$/;

/** A fault as a person writes it. @throws Error */
export function parseFault(text: string, { steps }: Reference): Fault {
  const [, kind, guest, step = '', ms, forMs = FOR_MS_MAX] = WRITTEN.exec(text) ?? [];
  const stepNs = steps[step];
  if (kind === undefined || stepNs === undefined) {
    throw new Error(
      `expected a fault such as 'power-off old@moveStore+60' at one of ${Object.keys(steps).join(', ')}; found '${text}'`,
    );
  }
  return { kind, guest, atNs: Math.round(stepNs + Number(ms) * NS_PER_MS), forMs: Number(forMs) } as Fault;
}

export const describeFault = (fault: Fault): string =>
  'guest' in fault && fault.guest !== undefined ? `${fault.kind} ${fault.guest}` : fault.kind;

/** What happens to a run, in the words of the table. */
export function describeFaults({ faults, recordCrash }: RunFaults): string {
  if (recordCrash !== undefined) return 'mvctl ends at a record';
  return faults.map(describeFault).join(' + ');
}
