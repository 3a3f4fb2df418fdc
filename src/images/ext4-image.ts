/**
 * mke2fs with everything said that would be a default or a random number. No metadata_csum and no 64-bit block numbers:
 * a guest does not need them on an emulated disk, firmware has less to know, checksums cost instructions.
 */
import { createHash } from 'node:crypto';

export interface Ext4Options {
  readonly label: string;
  readonly sizeMiB: number;
  readonly inodes: number;
  /** A disk that is only ever read has no journal. */
  readonly journalMiB: number | null;
  /** What the UUID and the hash seed are made from. */
  readonly identity: string;
}

const FEATURES = [
  'ext_attr',
  'dir_index',
  'filetype',
  'extent',
  'flex_bg',
  'sparse_super',
  'large_file',
  'extra_isize',
];

/** Arguments of mke2fs for an image `target` with the files of `folder`. */
export function mke2fsArguments(options: Ext4Options, folder: string, target: string): string[] {
  const features = options.journalMiB === null ? FEATURES : [...FEATURES, 'has_journal', 'huge_file', 'dir_nlink'];
  const extended = [
    `hash_seed=${identityUuid(`${options.identity} hash seed`)}`,
    'lazy_itable_init=0',
    'lazy_journal_init=0',
    'root_owner=0:0',
  ];
  return [
    ...['-q', '-F', '-t', 'ext4', '-L', options.label, '-U', identityUuid(options.identity)],
    ...['-b', '4096', '-I', '256', '-N', String(options.inodes), '-m', '0', '-O', `none,${features.join(',')}`],
    ...(options.journalMiB === null ? [] : ['-J', `size=${options.journalMiB}`]),
    ...['-E', extended.join(','), '-d', folder, target, `${options.sizeMiB}M`],
  ];
}

/** A UUID (version 8, RFC 9562) that depends on the name only. */
function identityUuid(name: string): string {
  const bytes = createHash('sha256').update(name).digest().subarray(0, 16);
  bytes.writeUInt8((bytes.readUInt8(6) & 0x0f) | 0x80, 6);
  bytes.writeUInt8((bytes.readUInt8(8) & 0x3f) | 0x80, 8);
  return bytes.toString('hex').replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
}
