/**
 * Frames as a capture file for tcpdump and Wireshark: the classic libpcap format with nanosecond times, little endian.
 * Source: draft-ietf-opsawg-pcap, "General File Structure".
 */
import { NS_PER_S } from './clock.ts';
import { ETHERNET_FRAME_BYTES_MAX } from './ethernet.ts';

const MAGIC_NANOSECONDS = 0xa1b2_3c4d;
const LINKTYPE_ETHERNET = 1;
const FILE_HEADER_BYTES = 24;
const RECORD_HEADER_BYTES = 16;

export interface PcapOptions {
  /** Takes the bytes of the file piece by piece. */
  readonly write: (bytes: Uint8Array) => void;
  /** Length at which the capture ends; later frames are counted only. */
  readonly bytesMax: number;
}

export class PcapWriter {
  readonly #options: PcapOptions;
  #bytes = 0;
  #omitted = 0;

  constructor(options: PcapOptions) {
    this.#options = options;
    const header = new DataView(new ArrayBuffer(FILE_HEADER_BYTES));
    header.setUint32(0, MAGIC_NANOSECONDS, true);
    header.setUint16(4, 2, true); // version 2.4
    header.setUint16(6, 4, true);
    header.setUint32(16, ETHERNET_FRAME_BYTES_MAX, true);
    header.setUint32(20, LINKTYPE_ETHERNET, true);
    this.#write(header);
  }

  /** Frames that came after the capture had reached its length. */
  get omitted(): number {
    return this.#omitted;
  }

  /** Fits `EthernetSwitchOptions.onFrame`. */
  readonly frame = (atNs: number, frame: Uint8Array): void => {
    if (this.#bytes + RECORD_HEADER_BYTES + frame.length > this.#options.bytesMax) {
      this.#omitted++;
      return;
    }
    const header = new DataView(new ArrayBuffer(RECORD_HEADER_BYTES));
    header.setUint32(0, Math.floor(atNs / NS_PER_S), true);
    header.setUint32(4, atNs % NS_PER_S, true);
    header.setUint32(8, frame.length, true);
    header.setUint32(12, frame.length, true);
    this.#write(header);
    this.#options.write(frame);
    this.#bytes += frame.length;
  };

  #write(header: DataView<ArrayBuffer>): void {
    this.#options.write(new Uint8Array(header.buffer));
    this.#bytes += header.byteLength;
  }
}
