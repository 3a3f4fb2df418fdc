/**
 * What people said at the gates of a run: JSON lines beside its journal. They are written by `mvctl approve`, whenever and
 * by whomever; an engine that comes by takes them into the journal, which has one writer.
 */
import {
  closeSync,
  existsSync,
  fdatasyncSync,
  fstatSync,
  openSync,
  readFileSync,
  readSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import type { GateAnswer } from '../statechart/waiting.ts';
import { JournalError } from './journal-error.ts';

const answersPath = (journalPath: string): string => join(dirname(journalPath), 'answers.jsonl');

/** In the order in which they were given. A line that was not written to its end is none. */
export function readAnswers(journalPath: string): readonly GateAnswer[] {
  const path = answersPath(journalPath);
  if (!existsSync(path)) return [];
  return readFileSync(path, 'utf8')
    .split('\n')
    .flatMap((line) => {
      const answer = parse(line);
      return answer ? [answer] : [];
    });
}

/** Safe once this returns. Throws JournalError. */
export function addAnswer(journalPath: string, answer: GateAnswer): void {
  const path = answersPath(journalPath);
  try {
    const fd = openSync(path, 'a+', 0o600);
    try {
      writeFileSync(fd, `${endsInLine(fd) ? '' : '\n'}${JSON.stringify(answer)}\n`);
      fdatasyncSync(fd);
    } finally {
      closeSync(fd);
    }
  } catch (error) {
    throw new JournalError(`cannot write ${path}: ${(error as Error).message}`, { cause: error });
  }
}

function endsInLine(fd: number): boolean {
  const { size } = fstatSync(fd);
  const last = Buffer.alloc(1);
  return size === 0 || (readSync(fd, last, 0, 1, size - 1) === 1 && last[0] === 0x0a);
}

function parse(line: string): GateAnswer | undefined {
  try {
    return JSON.parse(line) as GateAnswer;
  } catch {
    return undefined;
  }
}
