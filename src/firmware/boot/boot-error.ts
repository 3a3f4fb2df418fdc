/** What kept an OS from being loaded. */
export type BootErrorCode =
  /** The disk is absent, not a disk, or failed a request. */
  | 'disk'
  /** Not ext4, damaged, or with a feature this reader does not know. */
  | 'file-system'
  | 'no-such-file'
  /** extlinux.conf has no entry that can be tried. */
  | 'boot-entry'
  /** Not a RISC-V Image, or it does not fit. */
  | 'kernel';

export class BootError extends Error {
  override readonly name = 'BootError';
  readonly code: BootErrorCode;
  constructor(code: BootErrorCode, message: string) {
    super(message);
    this.code = code;
  }
}

const SHOWN_CHARS_MAX = 200;

/** What a disk says, for a message: as much of it as a person reads. */
export const shown = (text: string): string =>
  text.length <= SHOWN_CHARS_MAX ? text : `${text.slice(0, SHOWN_CHARS_MAX)}...`;
