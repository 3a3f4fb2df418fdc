import { FIRMWARE_MEMORY } from '../machine/index.ts';

/** Reset vector and trap vector of the firmware. */
export const FIRMWARE_ENTRY = FIRMWARE_MEMORY.base;
