/**
 * The file behind a copy-on-write disk: what was written to the disk, cluster by cluster, over a base image that is never
 * written. Header, map, clusters:
 *
 *     0x0000  header, `HEADER_FIELDS`, little endian
 *     0x1000  map: for each cluster of the disk a 32-bit number, 0 = as in the base, n = cluster n-1 of the data
 *     dataOffset  clusters, in the order in which they were first written
 *
 * Invariants:
 * 1. A cluster is written before the map points at it, so that a process killed at any moment leaves a sound file;
 *    what it was about to write is there or not, cluster by cluster.
 * 2. No two entries of the map point at the same cluster, none past the end of the file.
 */
import { createHash } from 'node:crypto';
import {
  closeSync,
  existsSync,
  fdatasyncSync,
  fstatSync,
  ftruncateSync,
  openSync,
  readSync,
  renameSync,
  rmSync,
  writeSync,
} from 'node:fs';

export const CLUSTER_BYTES = 4096;
const SECTOR_BYTES = 512;

const HEADER_BYTES = 4096;
const MAP_OFFSET = HEADER_BYTES;
const MAP_PAGE_BYTES = 4096;
const ENTRIES_PER_PAGE = MAP_PAGE_BYTES / 4;
const MAGIC = 'MVOVERLY';
const VERSION = 1;
const DISK_BYTES_MAX = 2 ** 40;
/** Clusters gathered into one write. */
const GATHER_CLUSTERS = 256;

/** Offsets of the header. */
const FIELD = {
  magic: 0,
  version: 8,
  clusterBytes: 12,
  diskBytes: 16,
  baseBytes: 24,
  baseFingerprint: 32,
  checksum: 64,
} as const;
const FINGERPRINT_BYTES = 32;
/** How much of either end of the base image goes into its fingerprint. */
const FINGERPRINTED_BYTES = 64 * 1024;

/** The overlay does not fit its base, is damaged, or is none. */
export class OverlayError extends Error {
  override readonly name = 'OverlayError';
}

/** Reads `into` whole, with zeros after the end of the file. */
export function readWhole(fd: number, into: Uint8Array, position: number): void {
  let filled = 0;
  while (filled < into.length) {
    const bytes = readSync(fd, into, filled, into.length - filled, position + filled);
    if (bytes === 0) break;
    filled += bytes;
  }
  into.fill(0, filled);
}

export function writeWhole(fd: number, from: Uint8Array, position: number): void {
  let written = 0;
  while (written < from.length) written += writeSync(fd, from, written, from.length - written, position + written);
}

/** The base image: read only, its length the disk's. */
export class BaseImage {
  readonly path: string;
  readonly fd: number;
  readonly bytes: number;

  /** @throws OverlayError when it is not there, or its length is not a whole number of sectors */
  constructor(path: string) {
    this.path = path;
    if (!existsSync(path)) throw new OverlayError(`${path}: the image that a disk was made from is not there any more`);
    this.fd = openSync(path, 'r');
    this.bytes = fstatSync(this.fd).size;
    if (this.bytes === 0 || this.bytes % SECTOR_BYTES !== 0 || this.bytes > DISK_BYTES_MAX) {
      closeSync(this.fd);
      throw new OverlayError(
        `${path}: expected a disk image of whole ${SECTOR_BYTES}-byte sectors, found ${this.bytes} bytes`,
      );
    }
  }

  /** Tells one image from another of the same length without reading it all. */
  fingerprint(): Uint8Array {
    const ends = new Uint8Array(2 * FINGERPRINTED_BYTES);
    readWhole(this.fd, ends.subarray(0, FINGERPRINTED_BYTES), 0);
    readWhole(this.fd, ends.subarray(FINGERPRINTED_BYTES), Math.max(0, this.bytes - FINGERPRINTED_BYTES));
    return createHash('sha256').update(ends).digest();
  }

  close(): void {
    closeSync(this.fd);
  }
}

export class OverlayFile {
  readonly path: string;
  readonly fd: number;
  readonly diskBytes: number;
  readonly #map: Uint32Array;
  readonly #dataOffset: number;
  /** Clusters of the data that are in use, or were given out. */
  #dataClusters: number;
  /** Pages of the map that the file does not have as they are here. */
  readonly #unwritten = new Set<number>();
  readonly #gather = new Uint8Array(GATHER_CLUSTERS * CLUSTER_BYTES);

  private constructor(path: string, fd: number, diskBytes: number, map: Uint32Array) {
    this.path = path;
    this.fd = fd;
    this.diskBytes = diskBytes;
    this.#map = map;
    this.#dataOffset = dataOffsetOf(diskBytes);
    this.#dataClusters = map.reduce((most, entry) => Math.max(most, entry), 0);
  }

  /** Makes an empty overlay; it comes into being whole. @throws OverlayError when the file is there already */
  static create(path: string, base: BaseImage): void {
    if (existsSync(path)) throw new OverlayError(`${path} exists already`);
    const building = `${path}.new`;
    const fd = openSync(building, 'w');
    try {
      writeWhole(fd, encodeHeader(base.bytes, base), 0);
      ftruncateSync(fd, dataOffsetOf(base.bytes));
    } catch (error) {
      rmSync(building, { force: true });
      throw error;
    } finally {
      closeSync(fd);
    }
    renameSync(building, path);
  }

  /** @throws OverlayError when it is damaged or was made over another base */
  static open(path: string, base: BaseImage): OverlayFile {
    const fd = openSync(path, 'r+');
    try {
      checkHeader(path, fd, base);
      const map = readMap(path, fd, base.bytes);
      const overlay = new OverlayFile(path, fd, base.bytes, map);
      // Clusters the map never came to point at: whoever wrote them was killed.
      ftruncateSync(fd, overlay.#dataOffset + overlay.#dataClusters * CLUSTER_BYTES);
      return overlay;
    } catch (error) {
      closeSync(fd);
      throw error;
    }
  }

  /** Clusters that differ from the base. */
  get allocatedClusters(): number {
    return this.#map.reduce((count, entry) => count + (entry === 0 ? 0 : 1), 0);
  }

  /** Where in the file a cluster of the disk is; undefined when it is as in the base. */
  positionOf(cluster: number): number | undefined {
    const entry = this.#map[cluster] ?? 0;
    return entry === 0 ? undefined : this.#positionOfEntry(entry);
  }

  #positionOfEntry(entry: number): number {
    return this.#dataOffset + (entry - 1) * CLUSTER_BYTES;
  }

  /**
   * Writes clusters, then makes the map point at them. Where that fails, as on a full disk, the same again goes on from there.
   */
  write(clusters: ReadonlyMap<number, Uint8Array>): void {
    const fresh = new Map<number, number>();
    const taken = this.#dataClusters;
    const numbers = [...clusters.keys()].sort((a, b) => a - b);
    const placed = numbers.map((cluster) => {
      let entry = this.#map[cluster] ?? 0;
      if (entry === 0) {
        entry = ++this.#dataClusters;
        fresh.set(cluster, entry);
      }
      return { entry, content: clusters.get(cluster)! };
    });
    try {
      this.#writeClusters(placed.sort((a, b) => a.entry - b.entry));
    } catch (error) {
      this.#dataClusters = taken;
      throw error;
    }
    this.#writeMap(fresh);
  }

  /** In runs that lie side by side in the file. */
  #writeClusters(placed: readonly { readonly entry: number; readonly content: Uint8Array }[]): void {
    let first = 0;
    while (first < placed.length) {
      const start = placed[first]!.entry;
      let count = 0;
      while (count < GATHER_CLUSTERS && placed[first + count]?.entry === start + count) {
        this.#gather.set(placed[first + count]!.content, count * CLUSTER_BYTES);
        count++;
      }
      writeWhole(this.fd, this.#gather.subarray(0, count * CLUSTER_BYTES), this.#positionOfEntry(start));
      first += count;
    }
  }

  #writeMap(fresh: ReadonlyMap<number, number>): void {
    for (const [cluster, entry] of fresh) {
      this.#map[cluster] = entry;
      this.#unwritten.add(Math.floor(cluster / ENTRIES_PER_PAGE));
    }
    for (const page of this.#unwritten) {
      const entries = this.#map.subarray(page * ENTRIES_PER_PAGE, (page + 1) * ENTRIES_PER_PAGE);
      writeWhole(this.fd, littleEndianBytes(entries), MAP_OFFSET + page * MAP_PAGE_BYTES);
      this.#unwritten.delete(page);
    }
  }

  /** Makes what was written outlast the computer as well, not only this process. */
  sync(): void {
    fdatasyncSync(this.fd);
  }

  close(): void {
    closeSync(this.fd);
  }
}

const clustersOf = (diskBytes: number): number => Math.ceil(diskBytes / CLUSTER_BYTES);

const mapPagesOf = (diskBytes: number): number => Math.ceil(clustersOf(diskBytes) / ENTRIES_PER_PAGE);

const dataOffsetOf = (diskBytes: number): number => MAP_OFFSET + mapPagesOf(diskBytes) * MAP_PAGE_BYTES;

function encodeHeader(diskBytes: number, base: BaseImage): Uint8Array {
  const header = Buffer.alloc(HEADER_BYTES);
  header.write(MAGIC, FIELD.magic, 'latin1');
  header.writeUInt32LE(VERSION, FIELD.version);
  header.writeUInt32LE(CLUSTER_BYTES, FIELD.clusterBytes);
  header.writeBigUInt64LE(BigInt(diskBytes), FIELD.diskBytes);
  header.writeBigUInt64LE(BigInt(base.bytes), FIELD.baseBytes);
  header.set(base.fingerprint(), FIELD.baseFingerprint);
  header.set(headerChecksum(header), FIELD.checksum);
  return header;
}

const headerChecksum = (header: Buffer): Uint8Array =>
  createHash('sha256').update(header.subarray(0, FIELD.checksum)).digest();

function checkHeader(path: string, fd: number, base: BaseImage): void {
  const header = Buffer.alloc(HEADER_BYTES);
  readWhole(fd, header, 0);
  if (header.toString('latin1', FIELD.magic, FIELD.version) !== MAGIC)
    throw new OverlayError(`${path} is not a disk overlay`);
  if (!headerChecksum(header).every((byte, index) => header[FIELD.checksum + index] === byte)) {
    throw new OverlayError(`${path}: the header is damaged`);
  }
  const version = header.readUInt32LE(FIELD.version);
  const clusterBytes = header.readUInt32LE(FIELD.clusterBytes);
  if (version !== VERSION || clusterBytes !== CLUSTER_BYTES) {
    throw new OverlayError(
      `${path}: expected version ${VERSION} with clusters of ${CLUSTER_BYTES} bytes, found ${version} with ${clusterBytes}`,
    );
  }
  const madeOver = header.subarray(FIELD.baseFingerprint, FIELD.baseFingerprint + FINGERPRINT_BYTES);
  if (
    header.readBigUInt64LE(FIELD.baseBytes) !== BigInt(base.bytes) ||
    Buffer.compare(madeOver, base.fingerprint()) !== 0
  ) {
    throw new OverlayError(`${path} was made over another base image than ${base.path}`);
  }
}

function readMap(path: string, fd: number, diskBytes: number): Uint32Array {
  const bytes = new Uint8Array(mapPagesOf(diskBytes) * MAP_PAGE_BYTES);
  readWhole(fd, bytes, MAP_OFFSET);
  const view = new DataView(bytes.buffer);
  const map = Uint32Array.from({ length: bytes.length / 4 }, (_, cluster) => view.getUint32(cluster * 4, true));
  const written = Math.floor((fstatSync(fd).size - dataOffsetOf(diskBytes)) / CLUSTER_BYTES);
  const used = new Uint8Array(Math.max(0, written) + 1);
  for (const [cluster, entry] of map.entries()) {
    if (entry === 0) continue;
    if (entry > written || cluster >= clustersOf(diskBytes) || used[entry] === 1) {
      throw new OverlayError(`${path}: the map is damaged: disk cluster ${cluster} is at ${entry} of ${written}`);
    }
    used[entry] = 1;
  }
  return map;
}

function littleEndianBytes(entries: Uint32Array): Uint8Array {
  const bytes = new Uint8Array(entries.length * 4);
  const view = new DataView(bytes.buffer);
  for (const [index, entry] of entries.entries()) view.setUint32(index * 4, entry, true);
  return bytes;
}
