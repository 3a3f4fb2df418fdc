/** A line of a terminal that is written over. */

/** ECMA-48: back to the first column, erase the line. */
export const ERASE_LINE = '\r\x1b[K';
/** Where the terminal says nothing of its width, or that it has none. */
const COLUMNS_DEFAULT = 80;

/** In place of what is there: as much of it as stays one line. */
export const liveLine = (text: string, columns: number | undefined): string =>
  `${ERASE_LINE}${text.slice(0, (columns || COLUMNS_DEFAULT) - 1)}`;
