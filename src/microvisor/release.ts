/** Releases of the Microvisor, by the form of the state they hand over to one another. */
export interface Release {
  readonly name: string;
  /** Formats of a handover (handover/record.ts) it writes and reads, the best one last. */
  readonly formats: readonly number[];
}

/**
 * | format | has                                                    |
 * |--------|--------------------------------------------------------|
 * | 1      | who owns what, the guests, the harts, the accounts     |
 * | 2      | the worst wake-up latencies as well                    |
 */
export const HANDOVER_FORMATS = { first: 1, wakes: 2 } as const;

/** Oldest first. A release is replaced by a later one, and put back. */
export const RELEASES: readonly Release[] = [
  { name: '1.0', formats: [HANDOVER_FORMATS.first] },
  { name: '1.1', formats: [HANDOVER_FORMATS.first, HANDOVER_FORMATS.wakes] },
];

/** The release a node is delivered with. */
export const FIRST_RELEASE: Release = RELEASES[0]!;
