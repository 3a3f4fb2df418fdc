/** What the process in the private namespace is told, and what it tells: JSON, one message a line. */
import type { ImageErrorCode } from './image-error.ts';
import type { SystemDisk } from './recipe.ts';

export interface RootJob {
  readonly qemu: string;
  /** Existing folder; a tmpfs is mounted there in the namespace. */
  readonly workFolder: string;
  /** Packages in the order of installation. */
  readonly debs: readonly string[];
  readonly system: SystemDisk;
  /** Folder copied before the packages are installed. */
  readonly files: string | null;
  readonly epochSeconds: number;
  /** Arguments of mke2fs but for the folder are made from these. */
  readonly identity: string;
  readonly target: string;
}

export type RootMessage =
  | { readonly type: 'progress'; readonly step: RootStep; readonly done: number; readonly total: number }
  | { readonly type: 'failed'; readonly code: ImageErrorCode; readonly message: string; readonly hint: string | null }
  | { readonly type: 'done' };

export type RootStep = 'unpack' | 'install' | 'configure' | 'write';
