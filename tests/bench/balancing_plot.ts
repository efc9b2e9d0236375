import { killed, limited, record, type Recording, stalled, steady } from "./balancing_scenario.ts";

/**
 * Draws `docs/balancing.svg` from recorded picks: `deno run --allow-write=docs tests/bench/balancing_plot.ts`. The random
 * source is seeded: the same code gives the same picture.
 */

/** One diagram: the share of requests that each upstream got, second by second. */
interface Panel {
  readonly title: string;
  readonly recording: Recording;
  readonly names: Readonly<Record<string, string>>;
  /** From when to when, in seconds, and what happened. */
  readonly event: readonly [from: number, until: number, what: string];
}

const WIDTH = 760;
const HEIGHT = 190;
const LEFT = 48;
const TOP = 34;
const BETWEEN = 66;
const COLORS = ["#0b6e4f", "#c1440e"];

async function panels(): Promise<Panel[]> {
  const base = { requestsPerSecond: 40, strategy: "weighted-ewma", checks: true };
  return [
    {
      title: "5 ms and 400 ms; the fast one stalls for five seconds",
      recording: await record({
        ...base,
        lengthMs: 180_000,
        origins: { fast: stalled(steady(5), 60_000, 65_000), slow: steady(400) },
      }),
      names: { fast: "5 ms", slow: "400 ms" },
      event: [60, 65, "stall"],
    },
    {
      title: "Two alike; one is killed for thirty seconds and returns with a slow start",
      recording: await record({
        ...base,
        lengthMs: 120_000,
        origins: { a: killed(steady(20), 30_000, 60_000), b: steady(21) },
      }),
      names: { a: "killed", b: "other" },
      event: [30, 60, "dead"],
    },
    {
      title: "Two alike; one answers fast 429s with Retry-After: 10 for half a minute",
      recording: await record({
        ...base,
        checks: false,
        lengthMs: 180_000,
        origins: { a: limited(steady(20), 30_000, 60_000), b: steady(21) },
      }),
      names: { a: "limited", b: "other" },
      event: [30, 60, "429"],
    },
  ];
}

/** Shares in percent, averaged over three seconds. */
function shares({ picks }: Recording, id: string): number[] {
  return picks.map((_, second) => {
    const around = picks.slice(Math.max(0, second - 1), second + 2);
    const own = around.reduce((sum, counts) => sum + counts[id]!, 0);
    const all = around.reduce((sum, counts) => sum + Object.values(counts).reduce((a, b) => a + b, 0), 0);
    return all === 0 ? 0 : 100 * own / all;
  });
}

function drawPanel(panel: Panel, top: number): string {
  const seconds = panel.recording.picks.length;
  const x = (second: number) => (LEFT + second / seconds * (WIDTH - LEFT - 16)).toFixed(1);
  const y = (percent: number) => (top + HEIGHT - percent / 100 * HEIGHT).toFixed(1);
  const [from, until, what] = panel.event;
  const failed = `${panel.recording.requests} requests, ${panel.recording.failed} failed`;
  return [
    `<text x="${LEFT}" y="${top - 12}" class="title">${panel.title} (${failed})</text>`,
    `<rect x="${x(from)}" y="${top}" width="${Number(x(until)) - Number(x(from))}" height="${HEIGHT}" class="event"/>`,
    `<text x="${x(from)}" y="${top + 14}" dx="-4" text-anchor="end" class="label">${what}</text>`,
    ...[0, 25, 50, 75, 100].map((percent) =>
      `<path d="M${LEFT} ${y(percent)}H${WIDTH - 16}" class="grid"/>` +
      `<text x="${LEFT - 6}" y="${y(percent)}" dy="4" text-anchor="end" class="label">${percent} %</text>`
    ),
    ...Array.from(
      { length: seconds / 30 + 1 },
      (_, i) => `<text x="${x(i * 30)}" y="${top + HEIGHT + 16}" text-anchor="middle" class="label">${i * 30} s</text>`,
    ),
    ...Object.entries(panel.names).map(([id, name], i) =>
      drawLine(shares(panel.recording, id), { x, y, name, i, top })
    ),
  ].join("\n");
}

interface Line {
  readonly x: (second: number) => string;
  readonly y: (percent: number) => string;
  readonly name: string;
  readonly i: number;
  readonly top: number;
}

function drawLine(points: readonly number[], { x, y, name, i, top }: Line): string {
  const path = points.map((percent, second) => `${second === 0 ? "M" : "L"}${x(second + 0.5)} ${y(percent)}`).join("");
  const legend = `<text x="${WIDTH - 90}" y="${top + 30 + 16 * i}" fill="${COLORS[i]}" class="label">— ${name}</text>`;
  return `<path d="${path}" fill="none" stroke="${COLORS[i]}" stroke-width="1.6"/>${legend}`;
}

const STYLE =
  ".title{font:600 13px sans-serif;fill:#222}.label{font:11px sans-serif}text.label:not([fill]){fill:#555}" +
  ".grid{stroke:#ddd;fill:none}.event{fill:#f4d9c6;opacity:.6}";

/** The whole picture. */
export async function drawBalancing(): Promise<string> {
  const drawn = (await panels()).map((panel, i) => drawPanel(panel, TOP + i * (HEIGHT + BETWEEN)));
  const height = TOP + drawn.length * (HEIGHT + BETWEEN) - 30;
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${height}" viewBox="0 0 ${WIDTH} ${height}">\n` +
    `<style>${STYLE}</style>\n<rect width="100%" height="100%" fill="#fff"/>\n${drawn.join("\n")}\n</svg>\n`;
}

if (import.meta.main) {
  await Deno.writeTextFile(new URL("../../docs/balancing.svg", import.meta.url), await drawBalancing());
}
