import { parseArgs } from "node:util";
import { targetsIn } from "../../lib/workers/prewarm_list.ts";
import { ADMIN_OPTIONS, type AdminAccess, adminAccess, askAdmin, refusalOf } from "./admin_client.ts";
import { typedPath } from "./config_file.ts";
import { fail, print } from "./terminal.ts";

/** A prewarm as the admin surface shows it. */
interface Shown {
  readonly listener: string;
  readonly state: string;
  readonly total: number;
  readonly done: number;
  readonly fetched: number;
  readonly fresh: number;
  readonly skipped: number;
  readonly failed: number;
  readonly bytes: number;
  readonly last_problem: string | null;
}

const POLL_MS = 500;

/** `usher prewarm`: has the running gateway fetch paths into its cache, and shows how far it comes. */
export async function prewarmCommand(args: readonly string[]): Promise<number> {
  try {
    const { values, positionals } = parseArgs({
      args: [...args],
      allowPositionals: true,
      options: {
        ...ADMIN_OPTIONS,
        listener: { type: "string" },
        file: { type: "string" },
        concurrency: { type: "string" },
        rate: { type: "string" },
        "no-wait": { type: "boolean" },
      },
    });
    const access = await adminAccess(values);
    const paths = [...positionals, ...await fromFile(values.file)];
    const reply = await askAdmin(access, "POST /prewarm", {
      listener: values.listener,
      paths: paths.length === 0 ? undefined : paths,
      concurrency: values.concurrency === undefined ? undefined : Number(values.concurrency),
      rate: values.rate === undefined ? undefined : Number(values.rate),
    });
    if (!reply.ok) return fail(refusalOf(reply));
    const { total } = reply.value as { readonly total: number };
    print(`Prewarming ${total} path${total === 1 ? "" : "s"} of listener ${values.listener}`);
    return values["no-wait"] ? 0 : await follow(access, values.listener ?? "");
  } catch (error) {
    return fail(error instanceof Error ? error.message : String(error));
  }
}

async function fromFile(file: string | undefined): Promise<readonly string[]> {
  return file === undefined ? [] : targetsIn(await Deno.readTextFile(typedPath(file)), file);
}

/** Prints a line whenever it has come further, until it has ended. */
async function follow(access: AdminAccess, listener: string): Promise<number> {
  let told = "";
  for (;;) {
    const reply = await askAdmin(access, "GET /prewarm");
    const { prewarms = [] } = reply.value as { readonly prewarms?: readonly Shown[] };
    const shown = prewarms.find((one) => one.listener === listener);
    if (shown === undefined) return fail(refusalOf(reply));
    const line = lineOf(shown);
    if (line !== told) print(told = line);
    if (shown.state === "done") return shown.failed === 0 ? 0 : 1;
    if (shown.state === "stopped") return 1;
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
}

function lineOf({ state, done, total, fetched, fresh, skipped, failed, bytes, last_problem }: Shown): string {
  const problem = skipped + failed > 0 && last_problem !== null ? ` (last: ${last_problem})` : "";
  return `${state}: ${done} of ${total}, ${fetched} fetched, ${fresh} fresh, ${skipped} skipped, ${failed} failed, ` +
    `${(bytes / 1024 / 1024).toFixed(1)} MiB${problem}`;
}
