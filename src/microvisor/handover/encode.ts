import { HANDOVER_FORMATS } from '../release.ts';
import type { Handover } from './record.ts';

/** JSON in UTF-8: a number of 64 bits as `0x1f`, a time that never comes as null. */
export function encodeHandover(handover: Handover, format: number): Uint8Array {
  const { worstWakes, ...first } = handover;
  const written = format >= HANDOVER_FORMATS.wakes ? { ...first, worstWakes } : first;
  return new TextEncoder().encode(JSON.stringify(written, plain));
}

function plain(_name: string, value: unknown): unknown {
  if (typeof value === 'bigint') return `0x${BigInt.asUintN(64, value).toString(16)}`;
  return value === Number.POSITIVE_INFINITY ? null : value;
}
