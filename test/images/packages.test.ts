import { describe, expect, test } from 'vitest';
import { parseStanzas, stanzaText } from '../../src/images/apt-stanza.ts';
import { essentialClosure, parseShown, relationNames } from '../../src/images/essential-packages.ts';

describe('relations', () => {
  test('lose versions, architectures and qualifiers, and keep alternatives together', () => {
    expect(relationNames('libc6 (>= 2.38), debconf (>= 0.5) | debconf-2.0, perl:any, awk, ')).toEqual([
      ['libc6'],
      ['debconf', 'debconf-2.0'],
      ['perl'],
      ['awk'],
    ]);
  });
});

describe('the essential closure', () => {
  const packages = [
    'base-files\tyes\tawk, \t',
    'mawk\tno\tlibc6 (>= 2.38), \tawk',
    'libc6\tno\t, libgcc-s1\t',
    'libgcc-s1\tno\t, libc6\t',
    'nginx\tno\t, libc6, base-files\t',
    'dpkg\tyes\ttar, liblzma5 | xz, \t',
    'xz\tno\t, \t',
  ].map(parseShown);

  test('follows dependencies, through virtual packages, first alternatives that exist, and circles', () => {
    expect([...essentialClosure(packages)].sort()).toEqual(['base-files', 'dpkg', 'libc6', 'libgcc-s1', 'mawk', 'xz']);
  });

  test('leaves out what only depends on it', () => {
    expect(essentialClosure(packages).has('nginx')).toBe(false);
  });
});

describe('stanzas', () => {
  test('are separated by blank lines and keep continuation lines', () => {
    const text = 'Package: a\nDescription: one\n two\n three\nVersion: 1:2-3\n\n\nPackage: b\n';
    const stanzas = parseStanzas(text);
    expect(stanzas.map((stanza) => stanza.fields['Package'])).toEqual(['a', 'b']);
    expect(stanzas[0]?.fields['Version']).toBe('1:2-3');
    expect(stanzaText(stanzas[0] ?? { fields: {} })).toBe(
      'Package: a\nDescription: one\n two\n three\nVersion: 1:2-3\n',
    );
  });
});
