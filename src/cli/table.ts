/** Columns as kubectl prints them: no lines, two blanks between, the last column not padded. Empty cells are `<none>`. */
export function renderTable(headers: readonly string[], rows: readonly (readonly string[])[]): string {
  const table = [headers, ...rows.map((row) => row.map((cell) => cell || '<none>'))];
  const widths = headers.map((_, column) => Math.max(...table.map((row) => row[column]?.length ?? 0)));
  return table
    .map((row) =>
      row
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join('   ')
        .trimEnd(),
    )
    .join('\n');
}
