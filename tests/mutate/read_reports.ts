import { fileURLToPath } from "node:url";

const LINT_CONFIG = fileURLToPath(new URL("lint.json", import.meta.url));

/** What one rule of `lint_plugin.ts` reported of one file. */
export interface ReportOf<T> {
  /** Relative to the tree. */
  readonly path: string;
  readonly value: T;
}

/** Which rule is run over which files and folders of a tree. */
export interface ReportQuery {
  readonly tree: string;
  readonly rule: "changes" | "imports";
  readonly paths: readonly string[];
}

/** Runs a rule of the plugin, and so Deno's own parser, which only `deno lint` lends to plugins. @throws where it fails. */
export async function readReports<T>({ tree, rule, paths }: ReportQuery): Promise<ReportOf<T>[]> {
  const other = rule === "changes" ? "imports" : "changes";
  const { stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["lint", "--json", "--config", LINT_CONFIG, `--rules-exclude=mutate/${other}`, ...paths],
    cwd: tree,
    env: { NO_COLOR: "1" },
  }).output();
  const text = new TextDecoder().decode(stdout);
  if (!text.startsWith("{")) throw new Error(`Cannot read ${paths.join(", ")}: ${new TextDecoder().decode(stderr)}`);
  const { diagnostics, errors } = JSON.parse(text);
  if (errors.length > 0) throw new Error(`Cannot read ${paths.join(", ")}: ${JSON.stringify(errors)}`);
  const root = Deno.realPathSync(tree);
  return diagnostics.map(({ filename, message }: { filename: string; message: string }) => ({
    path: fileURLToPath(filename).slice(root.length + 1),
    value: JSON.parse(message),
  }));
}
