/** Runs a scenario on two harts and looks after each turn whether they are still the same. */
import type { SnapshotValue } from '../../../src/machine/door.ts';
import type { HartUnderTest } from './hart-under-test.ts';
import type { Scenario } from './scenario.ts';

/** Turns between two comparisons of all memory. */
const MEMORY_TURNS = 64;

export interface Difference {
  /** Index of the turn after which they differ. */
  readonly turn: number;
  /** `what: first hart's, second hart's`. */
  readonly lines: readonly string[];
}

export interface Pair {
  readonly first: HartUnderTest;
  readonly second: HartUnderTest;
}

export interface CompareOptions {
  /** Compares memory after every turn, to find the first one that differs. */
  readonly everyTurn?: boolean;
}

/** Undefined when they agree to the end. */
export function compareRuns(
  { first, second }: Pair,
  scenario: Pick<Scenario, 'image' | 'code' | 'mapping' | 'turns'>,
  { everyTurn = false }: CompareOptions = {},
): Difference | undefined {
  first.begin(scenario);
  second.begin(scenario);
  const last = scenario.turns.length - 1;
  for (const [index, turn] of scenario.turns.entries()) {
    const stops = [first.take(turn), second.take(turn)] as const;
    const lines = [
      ...differing('stop', stops[0], stops[1]),
      ...differing('device', first.deviceDigest, second.deviceDigest),
      ...differing('pc', first.hart.pc, second.hart.pc),
      ...differing('retired', first.hart.retired, second.hart.retired),
      ...differing('hart', first.hart.save(), second.hart.save()),
    ];
    if (everyTurn || index === last || index % MEMORY_TURNS === 0) lines.push(...differingMemory(first, second));
    if (lines.length > 0) return { turn: index, lines };
  }
  return undefined;
}

function differing(path: string, a: SnapshotValue, b: SnapshotValue): string[] {
  if (a === b) return [];
  if (Array.isArray(a) && Array.isArray(b) && a.length === b.length) {
    return a.flatMap((value, index) => differing(`${path}[${index}]`, value, b[index]));
  }
  if (isRecord(a) && isRecord(b)) {
    return [...new Set([...Object.keys(a), ...Object.keys(b)])].flatMap((key) =>
      differing(`${path}.${key}`, a[key] ?? null, b[key] ?? null),
    );
  }
  return [`${path}: ${show(a)}, ${show(b)}`];
}

const isRecord = (value: SnapshotValue): value is { readonly [key: string]: SnapshotValue } =>
  typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof Uint8Array);

const show = (value: SnapshotValue): string => (typeof value === 'bigint' ? `0x${value.toString(16)}` : String(value));

const DIFFERENCES_MAX = 8;

function differingMemory(first: HartUnderTest, second: HartUnderTest): string[] {
  const { base, bytes } = first.memory;
  const [a, b] = [first.memory.view(base, bytes), second.memory.view(base, bytes)];
  if (Buffer.compare(a, b) === 0) return [];
  const lines: string[] = [];
  for (let offset = 0; offset < bytes && lines.length < DIFFERENCES_MAX; offset += 1) {
    if (a[offset] !== b[offset]) lines.push(`memory 0x${(base + offset).toString(16)}: ${a[offset]}, ${b[offset]}`);
  }
  return lines;
}
