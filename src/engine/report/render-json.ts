import type { Report } from '../generated/report.ts';

/** A list of numbers over lines; a line end never stands in a text, where it is written as an escape. */
const NUMBERS = /\[\n\s+((?:-?[\d.e+-]+|null)(?:,\n\s+(?:-?[\d.e+-]+|null))*)\n\s+\]/g;

/** The report as a document of schemas/report.schema.json; a list of numbers takes one line. */
export const renderJson = (report: Report): string =>
  `${JSON.stringify(report, null, 2).replaceAll(NUMBERS, (_, numbers: string) => `[${numbers.replaceAll(/\s+/g, ' ')}]`)}\n`;
