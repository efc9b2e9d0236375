const WIDTH = 760;
const HEIGHT = 170;
const LEFT = 60;
const RIGHT = 60;
const TOP = 30;
const BETWEEN = 60;
const COLORS = ["#0b6e4f", "#b3541e", "#3355aa", "#7a3e9d"];

export interface Line {
  /** Said at its end; empty where there is one line only. */
  readonly name: string;
  /** A value for each x; infinite ones are left out. */
  readonly ys: readonly number[];
}

export interface Panel {
  readonly title: string;
  readonly lines: readonly Line[];
}

/** Diagrams below each other over the same `xs`, which are above 0 and drawn by their logarithm. */
export function linePlot(xs: readonly number[], panels: readonly Panel[]): string {
  const height = TOP + panels.length * (HEIGHT + BETWEEN);
  const drawn = panels.map((panel, n) => drawPanel(xs, panel, TOP + n * (HEIGHT + BETWEEN)));
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" font-family="sans-serif" font-size="12">
<rect width="${WIDTH}" height="${height}" fill="#fff"/>
${drawn.join("\n")}
</svg>
`;
}

function drawPanel(xs: readonly number[], { title, lines }: Panel, top: number): string {
  const most = Math.max(...lines.flatMap(({ ys }) => ys.filter(Number.isFinite))) * 1.15;
  const [first, last] = [Math.log10(xs[0]!), Math.log10(xs.at(-1)!)];
  const xOf = (x: number) => LEFT + (Math.log10(x) - first) / (last - first) * (WIDTH - LEFT - RIGHT);
  const ticks = xs.map((x) =>
    `<text x="${xOf(x).toFixed(1)}" y="${top + HEIGHT + 16}" text-anchor="middle">${x.toLocaleString("en")}</text>`
  );
  const drawn = lines.map(({ name, ys }, n) => {
    const color = COLORS[n % COLORS.length]!;
    const points = ys.flatMap((value, at) =>
      Number.isFinite(value) ? [{ x: xOf(xs[at]!), y: top + HEIGHT * (1 - value / most), value }] : []
    );
    const line = points.map(({ x, y }) => `${x.toFixed(1)},${y.toFixed(1)}`).join(" ");
    const marks = points.map(({ x, y, value }) =>
      `<circle cx="${x.toFixed(1)}" cy="${y.toFixed(1)}" r="3" fill="${color}"/>` +
      `<text x="${x.toFixed(1)}" y="${(y - 8).toFixed(1)}" text-anchor="middle" fill="${color}">${shown(value)}</text>`
    );
    const key = name === "" ? "" : `<text x="${LEFT + 260 + n * 150}" y="${top - 10}" fill="${color}">${name}</text>\n`;
    return `${key}<polyline points="${line}" fill="none" stroke="${color}" stroke-width="2"/>\n${marks.join("\n")}`;
  });
  return `<text x="${LEFT}" y="${top - 10}" font-weight="bold">${title}</text>
<line x1="${LEFT}" y1="${top + HEIGHT}" x2="${WIDTH - 20}" y2="${top + HEIGHT}" stroke="#999"/>
${ticks.join("\n")}
${drawn.join("\n")}`;
}

function shown(value: number): string {
  return value < 10 && value !== Math.round(value) ? value.toFixed(1) : value.toFixed(0);
}
