import { pause } from "../../lib/clock.ts";
import { targetsIn } from "../../lib/workers/operations/prewarmer.ts";
import { ADMIN_OPTIONS, adminAccess, askAdmin, refusalOf } from "./admin_client.ts";
import { type Command, failed, Misuse, readArguments } from "./command.ts";
import { typedPath } from "./config_path.ts";
import type { AdminAccess } from "./running_gateway.ts";
import { fail, isOutputCut, print } from "./terminal.ts";
import { harmless } from "./text_layout.ts";

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
  readonly rate: number;
  readonly eta_seconds: number | null;
  readonly last_problem: string | null;
}

const POLL_MS = 500;

const USAGE = `usage: usher prewarm --listener L [PATH…] [--file F] [--config FILE | --admin URL] [--token T]

  Has the running gateway fetch paths into its cache, behind real requests; as configured for the listener where no path
  and no file is given. Exits with 0 when all are there, with 1 when one failed.

  --listener L        the listener whose paths they are
  --file F            a file with one path a line
  --concurrency N     how many at a time
  --rate N            how many a second
  --no-wait           do not wait for the end
  --config, -c FILE   the configuration of the gateway, which says where it is and its token; - is standard input
  --admin URL         where its admin address is instead, such as http://127.0.0.1:6636
  --token T           its token, also USHER_ADMIN_TOKEN
`;

/** `usher prewarm`: has the running gateway fetch paths into its cache, and shows how far it comes. */
export const prewarmCommand: Command = {
  summary: "have the running gateway fetch paths into its cache, behind real requests",
  usage: USAGE,
  async run(args) {
    const { values, positionals } = readArguments(args, {
      ...ADMIN_OPTIONS,
      listener: { type: "string" },
      file: { type: "string" },
      concurrency: { type: "string" },
      rate: { type: "string" },
      "no-wait": { type: "boolean" },
    }, Infinity);
    const { listener, file, "no-wait": noWait = false } = values;
    if (listener === undefined) throw new Misuse("Say whose paths they are: give --listener");
    const limits = { concurrency: numberOf(values, "concurrency"), rate: numberOf(values, "rate") };
    try {
      const access = await adminAccess(values);
      const paths = [...positionals, ...await fromFile(file)];
      const order = { listener, paths: paths.length === 0 ? undefined : paths, ...limits };
      const reply = await askAdmin(access, "POST /jobs/prewarm", order);
      if (!reply.ok) return fail(refusalOf(reply));
      const { total } = reply.value as { readonly total: number };
      print(`Prewarming ${total} path${total === 1 ? "" : "s"} of listener ${listener}`);
      return noWait ? 0 : await follow(access, listener);
    } catch (error) {
      return failed(error);
    }
  },
};

/** @throws {Misuse} */
function numberOf(values: { concurrency?: string; rate?: string }, name: "concurrency" | "rate"): number | undefined {
  const text = values[name];
  if (text === undefined) return undefined;
  const number = Number(text);
  if (text.trim() === "" || !(number > 0 && number < Infinity)) {
    throw new Misuse(`--${name} wants a number above 0, found "${text}"`);
  }
  return number;
}

async function fromFile(file: string | undefined): Promise<readonly string[]> {
  return file === undefined ? [] : targetsIn(await Deno.readTextFile(typedPath(file)), file);
}

/** Prints a line whenever it has come further, until it has ended. */
async function follow(access: AdminAccess, listener: string): Promise<number> {
  let told = "";
  for (;;) {
    const reply = await askAdmin(access, "GET /jobs");
    const { prewarms = [] } = reply.value as { readonly prewarms?: readonly Shown[] };
    const shown = prewarms.find((one) => one.listener === listener);
    if (shown === undefined) return fail(refusalOf(reply));
    const line = lineOf(shown);
    if (line !== told) print(told = line);
    if (isOutputCut()) return 0;
    if (shown.state === "done") return shown.failed === 0 ? 0 : 1;
    if (shown.state === "stopped") return 1;
    await pause(POLL_MS);
  }
}

function lineOf(shown: Shown): string {
  const { state, done, total, fetched, fresh, skipped, failed, bytes, rate, eta_seconds: eta, last_problem } = shown;
  const problem = skipped + failed > 0 && last_problem !== null ? ` (last: ${harmless(last_problem)})` : "";
  const pace = eta == null ? "" : `, ${rate} a second, ${eta} s to go`;
  return `${state}: ${done} of ${total}, ${fetched} fetched, ${fresh} fresh, ${skipped} skipped, ${failed} failed, ` +
    `${(bytes / 1024 / 1024).toFixed(1)} MiB${pace}${problem}`;
}
