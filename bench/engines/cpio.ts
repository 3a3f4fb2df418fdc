/** The archive a kernel unpacks as its first file system. Source: Linux "initramfs buffer format", "newc". */

export interface CpioEntry {
  readonly path: string;
  readonly mode: number;
  readonly content?: Uint8Array;
  /** Of a character device. */
  readonly device?: { readonly major: number; readonly minor: number };
}

const MAGIC = '070701';
const TRAILER = 'TRAILER!!!';

const padding = (bytes: number): Uint8Array => new Uint8Array((4 - (bytes % 4)) % 4);

function record({ path, mode, content = new Uint8Array(), device }: CpioEntry, inode: number): Uint8Array[] {
  const name = new TextEncoder().encode(`${path}\0`);
  const fields = [
    ...[inode, mode, 0, 0, 1, 0, content.length, 0, 0],
    ...[device?.major ?? 0, device?.minor ?? 0, name.length, 0],
  ];
  const header = new TextEncoder().encode(MAGIC + fields.map((field) => field.toString(16).padStart(8, '0')).join(''));
  return [header, name, padding(header.length + name.length), content, padding(content.length)];
}

export function cpioArchive(entries: readonly CpioEntry[]): Uint8Array {
  return Buffer.concat([...entries, { path: TRAILER, mode: 0 }].flatMap((entry, index) => record(entry, index + 1)));
}
