/** Run by `read_reports.ts` as a file of tests, which has none: it writes what a rule reports of the sources of some folders. */
import plugin from "./lint_plugin.ts";
import type { ReportOf, ReportQuery } from "./read_reports.ts";

const query: ReportQuery & { readonly output: string } = JSON.parse(Deno.env.get("REPORT_QUERY")!);
const reports = query.folders.flatMap((folder) => sourcesIn(folder).flatMap(reportsOf));
Deno.writeTextFileSync(query.output, JSON.stringify(reports));

function sourcesIn(folder: string): string[] {
  const entries = [...Deno.readDirSync(`${query.tree}/${folder}`)].sort((one, other) => one.name < other.name ? -1 : 1);
  return entries.flatMap(({ name, isDirectory }) => {
    if (isDirectory) return sourcesIn(`${folder}/${name}`);
    return name.endsWith(".ts") ? [`${folder}/${name}`] : [];
  });
}

function reportsOf(path: string): ReportOf<unknown>[] {
  const rules = { [query.rule]: plugin.rules[query.rule]! };
  const found = Deno.lint.runPlugin({ name: "mutate", rules }, path, Deno.readTextFileSync(`${query.tree}/${path}`));
  return found.map(({ message }) => ({ path, value: JSON.parse(message) }));
}
