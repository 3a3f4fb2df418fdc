/**
 * Lets the kernel run riscv64 programs with qemu-user, in this namespace only. [Linux] admin-guide/binfmt-misc: "F" opens
 * the interpreter at once, so that it works in a chroot that does not have it.
 */
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { ImageError } from './image-error.ts';
import { runCommand } from './run-command.ts';

const BINFMT = '/proc/sys/fs/binfmt_misc';
/** e_ident of a little-endian 64-bit ELF, e_type executable or shared, e_machine EM_RISCV. */
const MAGIC = '\\x7fELF\\x02\\x01\\x01\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x02\\x00\\xf3\\x00';
const MASK = '\\xff\\xff\\xff\\xff\\xff\\xff\\xff\\x00\\xff\\xff\\xff\\xff\\xff\\xff\\xff\\xff\\xfe\\xff\\xff\\xff';

/** Call in the private namespace with a /proc of its own. Throws `privilege-missing` if riscv64 programs cannot run. */
export async function enableRiscv(qemu: string): Promise<void> {
  try {
    await runCommand('mount', ['-t', 'binfmt_misc', 'binfmt_misc', BINFMT]);
  } catch (cause) {
    // Before Linux 6.7 there is one binfmt_misc for all; what the computer has registered there works here too.
    if (isRegistered()) return;
    throw new ImageError(
      'privilege-missing',
      'this kernel has no binfmt_misc for a private namespace (Linux 6.7 has)',
      {
        cause,
        hint: 'register riscv64 programs on this computer instead: apt-get install qemu-user-static binfmt-support',
      },
    );
  }
  writeFileSync(`${BINFMT}/register`, `:mvctl-riscv64:M::${MAGIC}:${MASK}:${qemu}:F`);
}

function isRegistered(): boolean {
  if (!existsSync(`${BINFMT}/status`)) return false;
  return readdirSync(BINFMT)
    .filter((name) => name !== 'status' && name !== 'register')
    .map((name) => readFileSync(`${BINFMT}/${name}`, 'utf8'))
    .some((entry) => entry.startsWith('enabled') && /flags: .*F/.test(entry) && entry.includes('0200f300'));
}
