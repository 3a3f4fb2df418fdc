/** Node time of a realtime node: wall time since it was powered on. */
export function wallClockNs(): () => number {
  const start = process.hrtime.bigint();
  return () => Number(process.hrtime.bigint() - start);
}
