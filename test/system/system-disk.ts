import { existsSync } from 'node:fs';

/** The disk that system tests boot, from the environment: MICROVISOR_SYSTEM_DISK. */
export async function systemDisk(): Promise<string> {
  const path = process.env['MICROVISOR_SYSTEM_DISK'];
  if (path === undefined || !existsSync(path)) throw new Error('expected MICROVISOR_SYSTEM_DISK to name a disk image');
  return path;
}
