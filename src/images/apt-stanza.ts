/** Stanzas of a Packages, status or control file [Debian Policy, "Syntax of control files"]. */

export interface AptStanza {
  readonly fields: Readonly<Record<string, string>>;
}

/** Continuation lines are kept with their leading space, after a newline. */
export function parseStanzas(text: string): AptStanza[] {
  const stanzas: AptStanza[] = [];
  for (const block of text.split(/\n{2,}/)) {
    const fields: Record<string, string> = {};
    let last = '';
    for (const line of block.split('\n')) {
      if (/^[ \t]/.test(line) && last !== '') {
        fields[last] = `${fields[last]}\n${line}`;
        continue;
      }
      const colon = line.indexOf(':');
      if (colon <= 0) continue;
      last = line.slice(0, colon);
      fields[last] = line.slice(colon + 1).trim();
    }
    if (fields['Package'] !== undefined) stanzas.push({ fields });
  }
  return stanzas;
}

export const stanzaText = (stanza: AptStanza): string =>
  Object.entries(stanza.fields)
    .map(([name, value]) => `${name}: ${value}\n`)
    .join('');
