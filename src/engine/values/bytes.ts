/** Amounts of memory as an author writes them: `512MiB`, `1GiB`. Decimal units would hide a factor and are refused. */
const UNIT_BYTES: Readonly<Record<string, number>> = { KiB: 2 ** 10, MiB: 2 ** 20, GiB: 2 ** 30 };

/** Bytes, or undefined where the text is no amount of memory. */
export function parseBytes(text: unknown): number | undefined {
  if (typeof text !== 'string') return undefined;
  const match = /^(\d+)(KiB|MiB|GiB)$/.exec(text);
  if (!match) return undefined;
  const bytes = Number(match[1]) * UNIT_BYTES[match[2]!]!;
  return Number.isSafeInteger(bytes) ? bytes : undefined;
}
