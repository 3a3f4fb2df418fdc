import { describe, expect, it } from 'vitest';
import { bootOrder, parseExtlinux } from '../../src/firmware/boot/extlinux.ts';
import { parseKernelImage } from '../../src/firmware/boot/kernel-image.ts';
import { placeOs } from '../../src/firmware/boot/placement.ts';
import { MIB } from '../../src/machine/index.ts';

const U_BOOT_MENU = `## /boot/extlinux/extlinux.conf
##
## The configuration of this file is generated automatically.

default l0
menu title U-Boot menu
prompt 1
timeout 0


label l0
\tmenu label Debian GNU/Linux forky/sid 7.2.12+deb14-riscv64
\tlinux /boot/vmlinux-7.2.12+deb14-riscv64
\tinitrd /boot/initrd.img-7.2.12+deb14-riscv64
\tfdtdir /usr/lib/linux-image-7.2.12+deb14-riscv64/
\t
\tappend root=/dev/vda rw quiet

label l0r
\tmenu label Debian GNU/Linux forky/sid 7.2.12+deb14-riscv64 (rescue target)
\tKERNEL /boot/vmlinux-7.2.12+deb14-riscv64
\tappend root=/dev/vda rw single

label l1
\tlinux /boot/vmlinux-6.12.94+deb13-riscv64
`;

describe('extlinux.conf', () => {
  it('is read as u-boot-menu writes it', () => {
    expect(parseExtlinux(U_BOOT_MENU)).toEqual({
      defaultLabel: 'l0',
      entries: [
        {
          label: 'l0',
          linux: '/boot/vmlinux-7.2.12+deb14-riscv64',
          initrd: '/boot/initrd.img-7.2.12+deb14-riscv64',
          append: 'root=/dev/vda rw quiet',
        },
        { label: 'l0r', linux: '/boot/vmlinux-7.2.12+deb14-riscv64', append: 'root=/dev/vda rw single' },
        { label: 'l1', linux: '/boot/vmlinux-6.12.94+deb13-riscv64', append: '' },
      ],
    });
  });

  const entry = (label: string): string => `label ${label}\nlinux /${label}\n`;
  it.each([
    ['the first entry when there is no default', `${entry('a')}${entry('b')}`, ['a', 'b']],
    [
      'the default, then the others as they stand',
      `default b\n${entry('a')}${entry('b')}${entry('c')}`,
      ['b', 'a', 'c'],
    ],
    [
      'the fallback after the default',
      `default b\nfallback c\n${entry('a')}${entry('b')}${entry('c')}`,
      ['b', 'c', 'a'],
    ],
    ['the first entry when the default does not exist', `default x\n${entry('a')}`, ['a']],
    ['no entry without a kernel', `label a\nappend x\n${entry('b')}`, ['b']],
  ])('is tried in this order: %s', (_, text, labels) => {
    expect(bootOrder(parseExtlinux(text)).map(({ label }) => label)).toEqual(labels);
  });

  it('without an entry is an error', () => {
    expect(() => bootOrder(parseExtlinux('default l0\n'))).toThrow('extlinux.conf has no entry with a kernel');
  });
});

function imageHeader(imageBytes: bigint, flags = 0n, magic2 = 'RSC\x05'): Uint8Array {
  const header = new Uint8Array(64);
  const view = new DataView(header.buffer);
  view.setBigUint64(0x08, 0x20_0000n, true);
  view.setBigUint64(0x10, imageBytes, true);
  view.setBigUint64(0x18, flags, true);
  header.set(new TextEncoder().encode(magic2), 0x38);
  return header;
}

describe('a kernel', () => {
  it('says how much memory it needs', () => {
    expect(parseKernelImage(imageHeader(0x23a_0000n), '/vmlinux')).toEqual({ imageBytes: 0x23a_0000 });
  });

  it.each([
    [
      'without the magic number',
      imageHeader(1n, 0n, 'ARM\x64'),
      '/vmlinux: no RISC-V Image (magic2 0x644d5241, expected 0x5435352)',
    ],
    ['that is big-endian', imageHeader(1n, 1n), '/vmlinux: a big-endian kernel'],
    ['that is too short', new Uint8Array(63), '/vmlinux: 63 bytes are no kernel'],
  ])('%s is refused', (_, header, message) => {
    expect(() => parseKernelImage(header, '/vmlinux')).toThrow(message);
  });

  it('lies at the bottom of the bank with device tree and initrd above its BSS, each on 2 MiB', () => {
    const bank = { base: 0x8800_0000, bytes: 128 * MIB };
    expect(placeOs(bank, 0x23a_0000, 11_000_000)).toEqual({
      kernel: 0x8800_0000,
      deviceTree: 0x8a40_0000,
      initrd: 0x8a60_0000,
    });
    expect(() => placeOs(bank, 0x23a_0000, 100 * MIB)).toThrow('need 144703488 bytes of a bank of 134217728');
  });
});
