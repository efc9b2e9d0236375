import type { HedgingRow } from "./hedging.ts";
import type { ChaosRow } from "./measure.ts";

/** Where the tables stand. */
const PAGE = new URL("../../../docs/resilience.md", import.meta.url);

type Cells = readonly string[];

/** The table of what the client saw of each fault. */
export function chaosTable(rows: readonly ChaosRow[]): string {
  const head = ["one of two upstreams …", "GETs", "failed", "aborted in the body", "extra tries", "p50", "p99"];
  return table([
    head,
    ...rows.map((row) => [
      row.name,
      String(row.sent),
      String(row.failures.length),
      String(row.aborted),
      percent(row.extraTries),
      ms(row.p50Ms),
      ms(row.p99Ms),
    ]),
  ]);
}

/** The table of what hedging does. */
export function hedgingTable(rows: readonly HedgingRow[]): string {
  return table([
    ["hedge", "GETs", "failed", "extra requests", "p50", "p99"],
    ...rows.map((row) => [
      row.hedge,
      String(row.sent),
      String(row.failures.length),
      percent(row.extra),
      ms(row.p50Ms),
      ms(row.p99Ms),
    ]),
  ]);
}

/** Writes each table into the page, between its pair of comments. */
export async function writeTables(tables: readonly string[]): Promise<void> {
  await Deno.writeTextFile(PAGE, withTables(await Deno.readTextFile(PAGE), tables));
}

/** The page's text with these tables, the first in the first place kept for one, and so on. */
export function withTables(page: string, tables: readonly string[]): string {
  let index = 0;
  return page.replaceAll(/(<!-- table -->\n)[^]*?(\n<!-- end of table -->)/g, (whole, before, after) => {
    const text = tables[index++];
    return text === undefined ? whole : `${before}\n${text}\n${after}`;
  });
}

/** A table whose columns are as wide as their widest cell, as the formatter writes it. */
function table(rows: readonly Cells[]): string {
  const widths = rows[0]!.map((_, column) => Math.max(3, ...rows.map((row) => row[column]!.length)));
  const line = (row: Cells) => `| ${row.map((cell, column) => cell.padEnd(widths[column]!)).join(" | ")} |`;
  const [head, ...rest] = rows;
  return [line(head!), line(widths.map((width) => "-".repeat(width))), ...rest.map(line)].join("\n");
}

function percent(share: number): string {
  return `${(share * 100).toFixed(1)} %`;
}

function ms(timeMs: number): string {
  return `${timeMs.toFixed(timeMs < 10 ? 1 : 0)} ms`;
}
