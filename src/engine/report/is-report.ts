/** Whether what was read is a report, and whole. */
import type { Report } from '../generated/report.ts';
import { validate } from '../generated/validate-report.ts';

export const isReport = (value: unknown): value is Report => validate(value);
