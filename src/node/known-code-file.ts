/**
 * What earlier nodes learned of the code they ran (`KnownCode`), kept in the cache between runs: code that was worth
 * translating once is translated when it comes along again. It changes how fast a node is, nothing else.
 *
 *   known-code/VERSION.bin     SHA-256 of the rest, then `KnownCode.toBytes`
 *
 * VERSION names the sources of the machine, the Node.js release and the processor: what was made by others is not found. A
 * file that is damaged counts as absent. Several nodes may write: the last one wins, after it read what the others wrote.
 */
import { createHash } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { join } from 'node:path';
import { KnownCode } from '../machine/index.ts';

const DIGEST_BYTES = 32;
/** Files of other versions that are left alone, newest first. */
const OTHER_VERSIONS_MAX = 2;
const MACHINE_SOURCES = join(import.meta.dirname, '../machine');

const digestOf = (bytes: Uint8Array): Uint8Array => createHash('sha256').update(bytes).digest();

/** Of everything that the translator's output depends on. */
function versionOfCode(): string {
  const hash = createHash('sha256').update(`${process.version} ${process.arch} ${cpus()[0]?.model}`);
  const files = readdirSync(MACHINE_SOURCES, { recursive: true, encoding: 'utf8' }).filter((name) =>
    /\.[jt]s$/.test(name),
  );
  for (const name of files.sort()) hash.update(`\n${name}\n`).update(readFileSync(join(MACHINE_SOURCES, name)));
  return hash.digest('hex').slice(0, DIGEST_BYTES);
}

export class KnownCodeFile {
  readonly known = new KnownCode();
  readonly #folder: string;
  readonly #path: string;
  /** Of the file as it was read or written last. */
  #digest: Uint8Array | undefined;

  constructor(cacheDir: string, version = versionOfCode()) {
    this.#folder = join(cacheDir, 'known-code');
    this.#path = join(this.#folder, `${version}.bin`);
    this.#read();
  }

  /** Writes what was learned since the last time, if anything. A cache that cannot be written is none. */
  save(): void {
    if (!this.known.takeChanged()) return;
    this.#read();
    const content = this.known.toBytes();
    const digest = digestOf(content);
    const building = `${this.#path}.${process.pid}`;
    try {
      mkdirSync(this.#folder, { recursive: true });
      writeFileSync(building, digest);
      writeFileSync(building, content, { flag: 'a' });
      renameSync(building, this.#path);
      this.#digest = digest;
      this.#removeOthers();
    } catch {
      rmSync(building, { force: true });
    }
  }

  /** Adds what the file has, unless it is what was read or written here last. */
  #read(): void {
    let bytes: Uint8Array<ArrayBuffer>;
    try {
      bytes = new Uint8Array(readFileSync(this.#path));
    } catch {
      return;
    }
    const digest = bytes.subarray(0, DIGEST_BYTES);
    const content = bytes.subarray(DIGEST_BYTES);
    if (this.#digest !== undefined && Buffer.compare(this.#digest, digest) === 0) return;
    if (Buffer.compare(digestOf(content), digest) !== 0) return;
    this.known.addFrom(content);
    this.#digest = digest.slice();
  }

  #removeOthers(): void {
    const others = readdirSync(this.#folder)
      .map((name) => join(this.#folder, name))
      .filter((path) => path !== this.#path)
      .map((path) => ({ path, writtenAt: statSync(path).mtimeMs }))
      .sort((a, b) => b.writtenAt - a.writtenAt);
    for (const { path } of others.slice(OTHER_VERSIONS_MAX)) rmSync(path, { force: true });
  }
}
