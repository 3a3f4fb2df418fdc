import { type ChildProcessWithoutNullStreams, spawn, spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { EthernetPort } from '../../src/network/ethernet.ts';

const here = (name: string): string => fileURLToPath(new URL(name, import.meta.url));

/** Why there can be no real Linux peer here, or undefined. */
export function whyNoLinuxPeer(): string | undefined {
  if (!existsSync('/dev/net/tun')) return 'no /dev/net/tun';
  const probe =
    'import os, ctypes; os.open("/dev/net/tun", os.O_RDWR); exit(ctypes.CDLL(None).unshare(0x40000000) != 0)';
  if (spawnSync('python3', ['-c', probe]).status !== 0) return 'needs python3, CAP_NET_ADMIN and CAP_SYS_ADMIN';
  return spawnSync('ip', ['-V']).status === 0 ? undefined : 'needs iproute2';
}

/** A Linux TCP/IP stack as an Ethernet port: what it sends comes out of `onTransmit`. */
export class LinuxPeer implements EthernetPort {
  onTransmit: (frame: Uint8Array) => void = () => {};
  readonly #process: ChildProcessWithoutNullStreams;
  #input = Buffer.alloc(0);
  #log = '';

  private constructor(address: string) {
    this.#process = spawn('python3', [here('linux-peer.py'), address, process.execPath, here('linux-server.ts')]);
    this.#process.stdout.on('data', (bytes: Buffer) => this.#read(bytes));
    this.#process.stdin.on('error', () => {});
  }

  static async start(address: string): Promise<LinuxPeer> {
    const peer = new LinuxPeer(address);
    await new Promise<void>((resolve, reject) => {
      peer.#process.stderr.on('data', (bytes: Buffer) => {
        peer.#log += bytes.toString();
        if (peer.#log.includes('listening')) resolve();
      });
      peer.#process.once('exit', (code) => reject(new Error(`the Linux peer ended with ${code}: ${peer.#log}`)));
    });
    return peer;
  }

  receive(frame: Uint8Array): void {
    const header = Buffer.alloc(2);
    header.writeUInt16BE(frame.length);
    this.#process.stdin.write(Buffer.concat([header, frame]));
  }

  /** Runs a shell command beside the server. */
  command(text: string): void {
    const bytes = Buffer.from(text);
    const header = Buffer.from([0xff, 0xff, bytes.length >> 8, bytes.length & 0xff]);
    this.#process.stdin.write(Buffer.concat([header, bytes]));
  }

  stop(): void {
    this.#process.removeAllListeners('exit');
    this.#process.stdin.end();
  }

  #read(bytes: Buffer): void {
    this.#input = Buffer.concat([this.#input, bytes]);
    while (this.#input.length >= 2) {
      const length = this.#input.readUInt16BE(0);
      if (this.#input.length < 2 + length) return;
      const frame = Uint8Array.from(this.#input.subarray(2, 2 + length));
      this.#input = this.#input.subarray(2 + length);
      this.onTransmit(frame);
    }
  }
}
