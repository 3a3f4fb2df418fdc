/** Forms of output that would come into each other's way. */

interface Target {
  readonly format: string;
  /** Undefined: standard output. */
  readonly path: string | undefined;
}

/** Why `target` cannot be added; `together`: formats that can follow each other on standard output. */
export function conflict(
  target: Target,
  previous: readonly Target[],
  together: readonly string[] = [],
): string | undefined {
  const { format, path } = target;
  if (path === '') return `${format}: expected a path behind =`;
  const other = previous.find((one) => one.path === path);
  if (!other) return undefined;
  if (path !== undefined) return `${other.format} goes to ${path} already`;
  if (together.includes(format) && together.includes(other.format) && format !== other.format) return undefined;
  return `${other.format} goes to standard output already; write ${format}=PATH`;
}
