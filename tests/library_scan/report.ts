import type { ColdAndWarm } from "./library_scan.ts";
import { ALL_CLASSES, sumOf } from "./traffic.ts";

/** Where the tables stand. */
const PAGE = new URL("../../docs/library-scan.md", import.meta.url);

/** The page's text. */
export function readPage(): Promise<string> {
  return Deno.readTextFile(PAGE);
}

/** Writes a table into the page, between the comments that name its client. */
export async function writeTable(client: string, table: string): Promise<void> {
  const page = await readPage();
  const start = `<!-- ${client} -->\n`;
  const [before, rest] = page.split(start);
  if (rest === undefined) throw new Error(`The page has no place for ${client}`);
  const end = rest.indexOf("<!-- end -->");
  await Deno.writeTextFile(PAGE, `${before}${start}\n${table}\n\n${rest.slice(end)}`);
}

/** What a client asked for, and what of it came to the origin, class by class. */
export function scanTable({ cold, warm }: ColdAndWarm): string {
  const rows = [
    ["route class", "client", "cold: at the origin", "warm: at the origin"],
    ...ALL_CLASSES.map((name) => [name, cold.client[name]!, cold.origin[name]!, warm.origin[name]!].map(String)),
    ["all", sumOf(cold.client), sumOf(cold.origin), sumOf(warm.origin)].map(String),
  ];
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)));
  const line = (row: readonly string[]) => `| ${row.map((cell, at) => cell.padEnd(widths[at]!)).join(" | ")} |`;
  const [head, ...body] = rows;
  return [line(head!), line(widths.map((width) => "-".repeat(width))), ...body.map(line)].join("\n");
}
