/** Lines of a guest's console, from the bytes of its UART: a line is told when it ends. */

/** The rest of a longer one is left out: it is for people. */
const LINE_BYTES_MAX = 1024;
const LINE_FEED = 0x0a;

export class ConsoleLines {
  #line: number[] = [];

  /** The lines that end with these bytes; empty ones are none. */
  take(bytes: Uint8Array): readonly string[] {
    const lines: string[] = [];
    for (const byte of bytes) {
      if (byte !== LINE_FEED) {
        if (this.#line.length < LINE_BYTES_MAX) this.#line.push(byte);
        continue;
      }
      const line = new TextDecoder().decode(Uint8Array.from(this.#line)).trim();
      if (line !== '') lines.push(line);
      this.#line = [];
    }
    return lines;
  }
}
