/** What a bench compares: something that boots a kernel with the bench's initrd and notes when the guest says what. */

/** What had been used when the guest printed a line that begins with `bench: `. */
export interface Mark {
  /** The line without `bench: `. */
  readonly text: string;
  readonly wallSeconds: number;
  /** Of the whole process, compilers included. */
  readonly cpuSeconds: number;
  /** Of the thread that runs the hart, where that can be told apart. */
  readonly hartCpuSeconds?: number;
  /** Retired so far, where the engine counts. */
  readonly instructions?: number;
}

/** The same kernel for everybody: in a disk with a boot menu, and as files. */
export interface BenchGuest {
  readonly disk: string;
  readonly kernel: string;
  readonly initrd: string;
  readonly append: string;
}

export interface Engine {
  readonly name: string;
  /** Why it cannot take part; undefined when it can. */
  readonly absent: string | undefined;
  /** From power-on until `bench: done`. */
  runGuest(guest: BenchGuest): Promise<readonly Mark[]>;
  /** From the start of the process to the first answer over HTTP of the web server on `image`. */
  bootToHttp(image: WebServerImage): Promise<Mark>;
}

/** A system disk, and what a board without firmware of ours needs to boot it. */
export interface WebServerImage {
  readonly image: string;
  readonly kernel: string;
  readonly initrd: string;
  readonly append: string;
}

export const LINE_START = 'bench: ';
export const LAST_LINE = 'done';
export const RAM_MIB = 512;

/** Splits console output into lines and hands on what follows `bench: `. */
export function benchLines(onLine: (text: string) => void): (chunk: string) => void {
  let rest = '';
  return (chunk) => {
    const lines = (rest + chunk).split(/\r?\n/);
    rest = lines.pop() ?? '';
    for (const line of lines) {
      const at = line.indexOf(LINE_START);
      if (at >= 0) onLine(line.slice(at + LINE_START.length).trim());
    }
  };
}
