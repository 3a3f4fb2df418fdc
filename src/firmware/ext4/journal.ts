/**
 * Replay of the journal in memory: after a power cut the newest contents of a metadata block may be in the log only.
 * Source: [EXT4] "Journal (jbd2)". Big endian.
 */
import { BootError } from '../boot/boot-error.ts';
import type { Waiting } from '../waiting.ts';
import { joinHalves, viewOf } from './numbers.ts';

export const JBD2_MAGIC = 0xc03b_3998;
const HEADER_BYTES = 12;
const BLOCK_TYPE = { descriptor: 1, commit: 2, superblockV1: 3, superblockV2: 4, revoke: 5 } as const;
const INCOMPAT = { revoke: 0x01, bit64: 0x02, asyncCommit: 0x04, checksumV2: 0x08, checksumV3: 0x10 } as const;
const INCOMPAT_KNOWN = Object.values(INCOMPAT).reduce((all, feature) => all | feature, 0);
const TAG = { escaped: 1, sameUuid: 2, last: 8 } as const;
const UUID_BYTES = 16;
const CHECKSUM_TAIL_BYTES = 4;
/** Blocks that a log writes or revokes: as many as a log of a gigabyte has, four times. */
const LOGGED_BLOCKS_MAX = 1 << 20;

/** Where in the log the newest contents of a block are. `escaped`: its first four bytes are JBD2_MAGIC. */
export interface LoggedBlock {
  readonly logBlock: number;
  readonly escaped: boolean;
}

interface Transaction {
  readonly sequence: number;
  readonly writes: Map<number, LoggedBlock>;
  readonly revoked: number[];
}

interface Log {
  readonly first: number;
  readonly end: number;
  readonly incompat: number;
  readonly readBlock: (logBlock: number) => Waiting<Uint8Array>;
}

/**
 * File system block → its newest contents in the log, from every transaction that was committed. `readBlock` reads a
 * block of the journal's file.
 */
export function* replayJournal(
  readBlock: (logBlock: number) => Waiting<Uint8Array>,
): Waiting<ReadonlyMap<number, LoggedBlock>> {
  const superblock = viewOf(yield* readBlock(0));
  const type = superblock.getUint32(4);
  if (
    superblock.getUint32(0) !== JBD2_MAGIC ||
    (type !== BLOCK_TYPE.superblockV1 && type !== BLOCK_TYPE.superblockV2)
  ) {
    throw new BootError('file-system', 'the journal has no superblock');
  }
  const incompat = type === BLOCK_TYPE.superblockV2 ? superblock.getUint32(0x28) : 0;
  if ((incompat & ~INCOMPAT_KNOWN) !== 0) {
    throw new BootError('file-system', `journal with unsupported features 0x${incompat.toString(16)}`);
  }
  const log: Log = { first: superblock.getUint32(0x14), end: superblock.getUint32(0x10), incompat, readBlock };
  const start = superblock.getUint32(0x1c);
  if (start === 0) return new Map();
  return newestContents(yield* committedTransactions(log, start, superblock.getUint32(0x18)));
}

/** Follows the log from `start` while it continues the sequence; what has no commit block did not happen. */
function* committedTransactions(log: Log, start: number, sequence: number): Waiting<Transaction[]> {
  const committed: Transaction[] = [];
  const advance = (block: number): number => (block + 1 >= log.end ? log.first : block + 1);
  let current: Transaction = { sequence, writes: new Map(), revoked: [] };
  let at = start;
  let logged = 0;
  for (let visited = 0; visited < log.end; visited++) {
    const block = yield* log.readBlock(at);
    const view = viewOf(block);
    if (view.getUint32(0) !== JBD2_MAGIC || view.getUint32(8) !== current.sequence) break;
    const type = view.getUint32(4);
    at = advance(at);
    if (type === BLOCK_TYPE.descriptor) {
      for (const tag of parseTags(view, log.incompat)) {
        current.writes.set(tag.block, { logBlock: at, escaped: tag.escaped });
        at = advance(at);
        visited += 1;
        logged += 1;
      }
    } else if (type === BLOCK_TYPE.revoke) {
      const revoked = parseRevoked(view, log.incompat);
      current.revoked.push(...revoked);
      logged += revoked.length;
    } else if (type === BLOCK_TYPE.commit) {
      committed.push(current);
      current = { sequence: (current.sequence + 1) >>> 0, writes: new Map(), revoked: [] };
    } else {
      break;
    }
    if (logged > LOGGED_BLOCKS_MAX) {
      throw new BootError('file-system', `the journal logs more than ${LOGGED_BLOCKS_MAX} blocks`);
    }
  }
  return committed;
}

/** A revoked block's contents in that transaction and before must not be replayed: the block was freed. */
function newestContents(transactions: readonly Transaction[]): Map<number, LoggedBlock> {
  const newest = new Map<number, LoggedBlock>();
  for (const { writes, revoked } of transactions) {
    for (const [block, logged] of writes) newest.set(block, logged);
    for (const block of revoked) newest.delete(block);
  }
  return newest;
}

function parseTags(view: DataView, incompat: number): { block: number; escaped: boolean }[] {
  const isV3 = (incompat & INCOMPAT.checksumV3) !== 0;
  const isV2 = (incompat & INCOMPAT.checksumV2) !== 0;
  const is64 = (incompat & INCOMPAT.bit64) !== 0;
  const tagBytes = isV3 ? 16 : 8 + (isV2 ? 2 : 0) + (is64 ? 4 : 0);
  const end = view.byteLength - (isV2 || isV3 ? CHECKSUM_TAIL_BYTES : 0);
  const tags: { block: number; escaped: boolean }[] = [];
  for (let at = HEADER_BYTES; at + tagBytes <= end; ) {
    const flags = isV3 ? view.getUint32(at + 4) : view.getUint16(at + 6);
    const high = is64 ? view.getUint32(at + 8) : 0;
    tags.push({ block: joinHalves(view.getUint32(at), high), escaped: (flags & TAG.escaped) !== 0 });
    if ((flags & TAG.last) !== 0) break;
    at += tagBytes + ((flags & TAG.sameUuid) === 0 ? UUID_BYTES : 0);
  }
  return tags;
}

function parseRevoked(view: DataView, incompat: number): number[] {
  const entryBytes = (incompat & INCOMPAT.bit64) !== 0 ? 8 : 4;
  const end = Math.min(view.getUint32(HEADER_BYTES), view.byteLength);
  const blocks: number[] = [];
  for (let at = HEADER_BYTES + 4; at + entryBytes <= end; at += entryBytes) {
    blocks.push(entryBytes === 8 ? joinHalves(view.getUint32(at + 4), view.getUint32(at)) : view.getUint32(at));
  }
  return blocks;
}
