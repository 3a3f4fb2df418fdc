import type { Report } from '../generated/report.ts';

/** The report as a document of schemas/report.schema.json. */
export const renderJson = (report: Report): string => `${JSON.stringify(report, null, 2)}\n`;
