/** The header of a RISC-V Linux Image. Source: [IMAGE] "Boot image header in RISC-V Linux". Little endian. */
import { viewOf } from '../ext4/numbers.ts';
import { BootError } from './boot-error.ts';

export const IMAGE_HEADER_BYTES = 64;
/** "RSC\x05" */
const MAGIC2 = 0x0543_5352;
const MAGIC2_OFFSET = 0x38;
const FLAG_BIG_ENDIAN = 1n;

export interface KernelImage {
  /** Memory the kernel needs from its first byte on, BSS included. */
  readonly imageBytes: number;
}

/** Throws a BootError 'kernel' when it is no such header. `path` is for the message. */
export function parseKernelImage(header: Uint8Array, path: string): KernelImage {
  if (header.length < IMAGE_HEADER_BYTES)
    throw new BootError('kernel', `${path}: ${header.length} bytes are no kernel`);
  const view = viewOf(header);
  const magic = view.getUint32(MAGIC2_OFFSET, true);
  if (magic !== MAGIC2) {
    throw new BootError(
      'kernel',
      `${path}: no RISC-V Image (magic2 0x${magic.toString(16)}, expected 0x${MAGIC2.toString(16)})`,
    );
  }
  if ((view.getBigUint64(0x18, true) & FLAG_BIG_ENDIAN) !== 0n) {
    throw new BootError('kernel', `${path}: a big-endian kernel`);
  }
  return { imageBytes: Number(view.getBigUint64(0x10, true)) };
}
