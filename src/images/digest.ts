/** SHA-256 of bytes, files, folders and values, in hexadecimal. */
import { createHash } from 'node:crypto';
import { createReadStream, lstatSync, readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { pipeline } from 'node:stream/promises';

export const sha256 = (data: string | Uint8Array): string => createHash('sha256').update(data).digest('hex');

export async function sha256OfFile(path: string): Promise<string> {
  const hash = createHash('sha256');
  await pipeline(createReadStream(path, { highWaterMark: 1 << 20 }), hash);
  return hash.digest('hex');
}

/** JSON with sorted keys: equal values give equal text. */
export const canonicalJson = (value: unknown): string =>
  JSON.stringify(value, (_key, item: unknown) =>
    item !== null && typeof item === 'object' && !Array.isArray(item)
      ? Object.fromEntries(Object.entries(item).sort(([a], [b]) => (a < b ? -1 : 1)))
      : item,
  );

/** Names, contents and execute bits of all files below a folder, whatever its owner or umask. */
export function digestOfTree(folder: string): string {
  const lines: string[] = [];
  const visit = (path: string, name: string): void => {
    const status = lstatSync(path);
    if (status.isDirectory()) {
      lines.push(`directory ${name}`);
      for (const entry of readdirSync(path).sort()) visit(`${path}/${entry}`, `${name}/${entry}`);
    } else if (status.isSymbolicLink()) {
      lines.push(`link ${name} ${readlinkSync(path)}`);
    } else {
      lines.push(`file ${name} ${(status.mode & 0o100) === 0 ? '-' : 'x'} ${sha256(readFileSync(path))}`);
    }
  };
  visit(folder, '.');
  return sha256(lines.join('\n'));
}
