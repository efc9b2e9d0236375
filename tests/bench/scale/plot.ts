import type { SizeFigures } from "./sizes.ts";

const WIDTH = 760;
const HEIGHT = 170;
const LEFT = 60;
const TOP = 30;
const BETWEEN = 60;
const COLOR = "#0b6e4f";

/** Three diagrams over the number of entries: first answer, memory, and what purges take. */
export function sizesPlot(figures: readonly SizeFigures[]): string {
  const panels = [
    ["first answer after a start, ms", figures.map(({ firstAnswerMs }) => firstAnswerMs)],
    ["memory of the process, MiB", figures.map(({ residentBytes }) => residentBytes / 2 ** 20)],
    ["purge of everything, ms", figures.map(({ purgeMs }) => purgeMs.all)],
  ] as const;
  const height = TOP + panels.length * (HEIGHT + BETWEEN);
  const drawn = panels.map(([title, ys], n) => panel(title, { figures, ys, top: TOP + n * (HEIGHT + BETWEEN) }));
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" font-family="sans-serif" font-size="12">
<rect width="${WIDTH}" height="${height}" fill="#fff"/>
${drawn.join("\n")}
</svg>
`;
}

interface Panel {
  readonly figures: readonly SizeFigures[];
  readonly ys: readonly number[];
  readonly top: number;
}

function panel(title: string, { figures, ys, top }: Panel): string {
  const [first, last] = [Math.log10(figures[0]!.entries), Math.log10(figures.at(-1)!.entries)];
  const most = Math.max(...ys) * 1.15;
  const points = ys.map((y, n) => {
    const x = LEFT + (Math.log10(figures[n]!.entries) - first) / (last - first) * (WIDTH - LEFT - 60);
    return { x, y: top + HEIGHT * (1 - y / most), entries: figures[n]!.entries, value: y };
  });
  const marks = points.map(({ x, y, entries, value }) =>
    `<circle cx="${x.toFixed(1)}" cy="${y.toFixed(1)}" r="3" fill="${COLOR}"/>` +
    `<text x="${x.toFixed(1)}" y="${(y - 8).toFixed(1)}" text-anchor="middle">${value.toFixed(0)}</text>` +
    `<text x="${x.toFixed(1)}" y="${top + HEIGHT + 16}" text-anchor="middle">${entries.toLocaleString("en")}</text>`
  );
  const line = points.map(({ x, y }) => `${x.toFixed(1)},${y.toFixed(1)}`).join(" ");
  return `<text x="${LEFT}" y="${top - 10}" font-weight="bold">${title}</text>
<line x1="${LEFT}" y1="${top + HEIGHT}" x2="${WIDTH - 20}" y2="${top + HEIGHT}" stroke="#999"/>
<polyline points="${line}" fill="none" stroke="${COLOR}" stroke-width="2"/>
${marks.join("\n")}`;
}
