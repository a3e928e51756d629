/** A line on a terminal that the next one replaces; an empty one clears it. Cut to the width: a second row would stay. */
export function liveLine(write: (text: string) => void, columns: () => number): (line: string) => void {
  let shown = '';
  return (line) => {
    const cut = line.slice(0, Math.max(1, columns() - 1));
    if (cut === shown) return;
    shown = cut;
    write(`\r\u001b[K${cut}`);
  };
}
