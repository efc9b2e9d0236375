import { fileURLToPath } from "node:url";

const READER = fileURLToPath(new URL("report_reader.ts", import.meta.url));

/** What one rule of `lint_plugin.ts` reported of one file. */
export interface ReportOf<T> {
  /** Relative to the tree. */
  readonly path: string;
  readonly value: T;
}

/** Which rule is run over which folders of a tree. */
export interface ReportQuery {
  readonly tree: string;
  readonly rule: "changes" | "imports";
  readonly folders: readonly string[];
}

/**
 * Runs a rule of the plugin over all sources of some folders. It does so in a process of its own: Deno lends its parser to `deno test`
 * and to `deno lint` alone, and what `deno lint` prints into a pipe may be cut (Deno 2.9.6).
 *
 * @throws where a source cannot be read
 */
export async function readReports<T>(query: ReportQuery): Promise<ReportOf<T>[]> {
  const output = await Deno.makeTempFile();
  try {
    const { success, stderr, stdout } = await new Deno.Command(Deno.execPath(), {
      args: ["test", "--no-check", "--no-lock", "--no-prompt", "--allow-env", "--allow-read", "--allow-write", READER],
      env: { NO_COLOR: "1", REPORT_QUERY: JSON.stringify({ ...query, output }) },
    }).output();
    const text = await Deno.readTextFile(output);
    if (success && text !== "") return JSON.parse(text);
    throw new Error(
      `Cannot read ${query.folders.join(", ")}: ${[stdout, stderr].map((it) => new TextDecoder().decode(it))}`,
    );
  } finally {
    await Deno.remove(output);
  }
}
