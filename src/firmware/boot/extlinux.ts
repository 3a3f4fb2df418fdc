/**
 * extlinux.conf as u-boot-menu writes it for Debian kernels. Source: [EXTLINUX] "Configuration". Keywords in any case;
 * FDT, FDTDIR, MENU, PROMPT and TIMEOUT mean nothing to a board that has its own device tree and no person at it.
 */
import { BootError } from './boot-error.ts';

export interface BootEntry {
  readonly label: string;
  /** Path of the kernel on the disk. */
  readonly linux: string;
  readonly initrd?: string;
  /** Kernel command line. */
  readonly append: string;
}

export interface BootMenu {
  readonly defaultLabel?: string;
  /** Tried when the default does not load. */
  readonly fallbackLabel?: string;
  readonly entries: readonly BootEntry[];
}

interface Draft {
  label: string;
  linux?: string;
  initrd?: string;
  append: string;
}

/** Entries that are tried: u-boot-menu writes two for each kernel. */
const ENTRIES_MAX = 32;

/** Entries without a kernel are dropped. */
export function parseExtlinux(text: string): BootMenu {
  const menu: { defaultLabel?: string; fallbackLabel?: string } = {};
  const drafts: Draft[] = [];
  for (const raw of text.split('\n')) {
    const line = raw.trim();
    if (line === '' || line.startsWith('#')) continue;
    const [keyword = ''] = line.split(/\s/, 1);
    const value = line.slice(keyword.length).trim();
    const draft = drafts.at(-1);
    switch (keyword.toLowerCase()) {
      case 'default':
        menu.defaultLabel = value;
        break;
      case 'fallback':
        menu.fallbackLabel = value;
        break;
      case 'label':
        drafts.push({ label: value, append: '' });
        break;
      case 'linux':
      case 'kernel':
        if (draft !== undefined) draft.linux = value;
        break;
      case 'initrd':
        if (draft !== undefined) draft.initrd = value;
        break;
      case 'append':
        if (draft !== undefined) draft.append = value;
        break;
    }
  }
  const entries = drafts.flatMap(({ label, linux, initrd, append }): BootEntry[] =>
    linux === undefined ? [] : [{ label, linux, append, ...(initrd === undefined ? {} : { initrd }) }],
  );
  return { ...menu, entries };
}

/**
 * The entries in the order in which they are tried: the default (or the first), the fallback, then the others as
 * they stand, up to ENTRIES_MAX. An entry that does not load gives way to the next. Throws a BootError when there is none at all.
 */
export function bootOrder(menu: BootMenu): BootEntry[] {
  const named = (label: string | undefined): BootEntry[] => menu.entries.filter((entry) => entry.label === label);
  const order = [...new Set([...named(menu.defaultLabel), ...named(menu.fallbackLabel), ...menu.entries])];
  if (order.length === 0) throw new BootError('boot-entry', 'extlinux.conf has no entry with a kernel');
  return order.slice(0, ENTRIES_MAX);
}
