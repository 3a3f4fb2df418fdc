/** CPU time that was used so far. */
import { readFileSync } from 'node:fs';

const TICKS_PER_SECOND = 100;
/** Fields of /proc/PID/stat after the name: utime and stime. */
const UTIME = 11;
const STIME = 12;

/** Of another process, all of its threads; in hundredths of a second. */
export function processCpuSeconds(pid: number): number {
  const text = readFileSync(`/proc/${pid}/stat`, 'latin1');
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[UTIME]) + Number(fields[STIME])) / TICKS_PER_SECOND;
}

/** Of this process, all of its threads. */
export function ownCpuSeconds(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e6;
}

/** Of this thread; of the process where the system does not tell. */
export function threadCpuSeconds(): number {
  try {
    return Number(readFileSync('/proc/thread-self/schedstat', 'utf8').split(' ')[0]) / 1e9;
  } catch {
    return ownCpuSeconds();
  }
}
