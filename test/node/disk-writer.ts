/**
 * Writes to a disk until it is killed. Round n fills random sectors with n and flushes; after each flush it says so on
 * stdout. Arguments: overlay, base, seed, bytes of cache.
 */
import { writeSync } from 'node:fs';
import { OverlayDisk } from '../../src/node/disk-store.ts';
import { sectorOf, sectorsOfRound } from './disk-rounds.ts';

const [path = '', basePath = '', seed = '', cacheBytesMax = ''] = process.argv.slice(2);
const disk = OverlayDisk.open({ path, basePath, cacheBytesMax: Number(cacheBytesMax) });
for (let round = 1; ; round++) {
  for (const sector of sectorsOfRound(Number(seed), round, disk.bytes))
    disk.write(sector * 512, sectorOf(round, sector));
  disk.flush();
  writeSync(1, `${round}\n`);
}
