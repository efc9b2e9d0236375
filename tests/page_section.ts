/**
 * Replaces what stands between `<!-- name: begin -->` and `<!-- name: end -->` of a page.
 *
 * @throws {Error} where the page has no such section
 */
export async function writeSection(page: string, name: string, text: string): Promise<void> {
  const [begin, end] = [`<!-- ${name}: begin -->`, `<!-- ${name}: end -->`];
  const before = await Deno.readTextFile(page);
  const [from, to] = [before.indexOf(begin), before.indexOf(end)];
  if (from < 0 || to < from) throw new Error(`${page} has no section between ${begin} and ${end}`);
  await Deno.writeTextFile(page, `${before.slice(0, from)}${begin}\n\n${text}\n\n${before.slice(to)}`);
}

/** A table in Markdown; all columns but the first are of numbers. */
export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.join(" | ")} |`;
  const rule = `|---|${head.slice(1).map(() => "---:").join("|")}|`;
  return [line(head), rule, ...rows.map(line)].join("\n");
}
