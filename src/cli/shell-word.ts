/** Text as one word of a shell's command line, to be copied from what mvctl prints. */
export const shellWord = (text: string): string => (/^[\w@%+:,./-]+$/.test(text) ? text : quoted(text));

/** Whatever is in it. */
export const quoted = (text: string): string => `'${text.replaceAll("'", "'\\''")}'`;
