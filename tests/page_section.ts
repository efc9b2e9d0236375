/** Writes a section of a page, by its path in the repository, between the comments that name it. @throws {Error} where it has no place */
export async function writeSection(path: string, name: string, text: string): Promise<void> {
  const page = new URL(`../${path}`, import.meta.url);
  await Deno.writeTextFile(page, withSection(await Deno.readTextFile(page), name, text));
}

/** A page's text with this section. */
export function withSection(page: string, name: string, text: string): string {
  const start = `<!-- ${name} -->\n`;
  const [before, rest] = page.split(start);
  const end = rest?.indexOf("<!-- end -->") ?? -1;
  if (rest === undefined || end < 0) throw new Error(`The page has no place for ${name}`);
  return `${before}${start}\n${text.trim()}\n\n${rest.slice(end)}`;
}

/** A table whose columns are as wide as their widest cell, as the formatter writes it. */
export function table(rows: readonly (readonly (string | number)[])[]): string {
  const texts = rows.map((row) => row.map(String));
  const widths = texts[0]!.map((_, column) => Math.max(3, ...texts.map((row) => row[column]!.length)));
  const line = (row: readonly string[]) => `| ${row.map((cell, column) => cell.padEnd(widths[column]!)).join(" | ")} |`;
  const [head, ...rest] = texts;
  return [line(head!), line(widths.map((width) => "-".repeat(width))), ...rest.map(line)].join("\n");
}

/** `2026-11-23, commit 1a2b3c4d`: when and of what figures are. */
export async function provenance(): Promise<string> {
  const day = new Date().toISOString().slice(0, 10);
  try {
    const { stdout } = await new Deno.Command("git", { args: ["rev-parse", "--short=8", "HEAD"] }).output();
    return `${day}, commit ${new TextDecoder().decode(stdout).trim()}`;
  } catch {
    return day;
  }
}
