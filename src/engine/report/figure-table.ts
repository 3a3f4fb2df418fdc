/** Rows of figures as lines: what they are of on the left, the figures below each other on their right. */
export function figureTable(rows: readonly (readonly string[])[], gap = 2): readonly string[] {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  return rows.map((row) =>
    row
      .map((cell, column) => (column === 0 ? cell.padEnd(widths[0]!) : cell.padStart(widths[column]! + gap)))
      .join('')
      .trimEnd(),
  );
}
