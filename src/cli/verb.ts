/** A verb of mvctl: a row of a table. Its module is loaded when it is asked for, so that no verb pays for another. */
import type { Command } from 'commander';
import type { CliIo } from './io.ts';
import type { OpenNode } from './open-node.ts';

export interface Verb {
  readonly name: string;
  /** What the list of verbs says of it. */
  readonly summary: string;
  /** The command without its description, which is the summary. */
  readonly load: (io: CliIo, wiring: Wiring) => Promise<Command>;
}

/** What a test brings in place of the real thing. */
export interface Wiring {
  readonly open?: OpenNode;
}
