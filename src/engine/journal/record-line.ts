/**
 * A record of the journal as a line: JSON whose last member is the CRC-32 of everything before it. Record numbers count
 * from 1 without gaps, so that a line that is missing, doubled or damaged is seen.
 */
import { crc32 } from 'node:zlib';
import type { JournalRecord } from '../generated/journal.ts';

/** A record before it is numbered and sealed. */
export type NewRecord = JournalRecord extends infer Row
  ? Row extends JournalRecord
    ? Omit<Row, 'seq' | 'crc'>
    : never
  : never;

export function encodeRecord(seq: number, record: NewRecord): string {
  const json = JSON.stringify({ seq, ...record });
  return `${json.slice(0, -1)},"crc":"${checksum(json)}"}\n`;
}

export type DecodedLine =
  | { readonly ok: true; readonly record: JournalRecord }
  | { readonly ok: false; readonly reason: string };

export function decodeLine(line: string): DecodedLine {
  const sealed = /^(\{.*),"crc":"([0-9a-f]{8})"\}$/.exec(line);
  if (!sealed) return { ok: false, reason: 'expected a record with a checksum' };
  const [, body, crc] = sealed;
  const json = `${body}}`;
  if (checksum(json) !== crc) return { ok: false, reason: `expected checksum ${checksum(json)}, found ${crc}` };
  return { ok: true, record: JSON.parse(line) as JournalRecord };
}

const checksum = (json: string): string => crc32(json).toString(16).padStart(8, '0');
