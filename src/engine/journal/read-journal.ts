/**
 * Reads a journal back. What a crash can leave behind is at its end: a line that was written in part, or twice. It is cut
 * off, because nothing was done on the strength of a line that was not yet safe. Damage anywhere else is an error.
 */
import { readFileSync } from 'node:fs';
import type { JournalRecord } from '../generated/journal.ts';
import { JournalError } from './journal-error.ts';
import { decodeLine } from './record-line.ts';
import { writeSafely } from './write-safely.ts';

export interface ReadJournal {
  readonly records: readonly JournalRecord[];
  /** Length of the part that holds. */
  readonly bytes: number;
  /** Bytes after it that a crash left behind. */
  readonly tornBytes: number;
}

/** What follows from a record is the same in every release that writes this number. */
const VERSION: number = 1;

/** Throws JournalError with line and byte where the journal is damaged before its end. */
export function readJournal(path: string): ReadJournal {
  const content = readFile(path);
  const records: JournalRecord[] = [];
  let bytes = 0;
  while (bytes < content.length) {
    const newline = content.indexOf(0x0a, bytes);
    const end = newline < 0 ? content.length : newline;
    const text = content.toString('utf8', bytes, end);
    const problem = newline < 0 ? 'expected the end of the line' : append(records, text);
    if (problem !== undefined) {
      // What is torn is one line; doubled lines are whole.
      const rest = content.toString('utf8', bytes).split('\n').slice(0, -1);
      const isMore = rest.filter((line) => !decodeLine(line).ok).length > 1;
      if (isMore || hasLaterRecord(content, end + 1, records.length + 1)) {
        throw new JournalError(`${path}:${records.length + 1}: damaged at byte ${bytes}: ${problem}`);
      }
      break;
    }
    bytes = end + 1;
  }
  const [begin] = records;
  if (begin?.type === 'begin' && begin.version !== VERSION)
    throw new JournalError(
      `${path}: expected a journal of version ${VERSION}, found ${begin.version}: another mvctl wrote it`,
    );
  return { records, bytes, tornBytes: content.length - bytes };
}

/**
 * Puts what holds of the journal in a file of its own under the same name, without what a crash left behind it. An
 * engine that lost its lock and does not know it yet still writes, but to a file that has no name any more.
 */
export function takeOverJournal(path: string, { bytes }: ReadJournal): void {
  writeSafely(path, readFile(path).subarray(0, bytes));
}

function readFile(path: string): Buffer {
  try {
    return readFileSync(path);
  } catch (error) {
    throw new JournalError(`cannot read ${path}: ${(error as Error).message}`, { cause: error });
  }
}

/** What is wrong with the line, or undefined. */
function append(records: JournalRecord[], text: string): string | undefined {
  const decoded = decodeLine(text);
  if (!decoded.ok) return decoded.reason;
  const expected = records.length + 1;
  if (decoded.record.seq !== expected) return `expected record ${expected}, found record ${decoded.record.seq}`;
  records.push(decoded.record);
  return undefined;
}

/** A record with a number that was not seen yet: what lies before it was safe once. */
function hasLaterRecord(content: Buffer, from: number, expectedSeq: number): boolean {
  for (const line of content.toString('utf8', from).split('\n')) {
    const decoded = decodeLine(line);
    if (decoded.ok && decoded.record.seq >= expectedSeq) return true;
  }
  return false;
}
