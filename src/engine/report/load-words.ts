import type { ReportService } from '../generated/report.ts';

/** Kinds of clients beside the prober, for people. */
export const LOAD_WORDS: Readonly<Record<keyof NonNullable<ReportService['load']>, string>> = {
  short: 'short requests',
  keepAlive: 'requests on kept connections',
  download: 'downloads',
};
