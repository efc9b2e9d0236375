/**
 * The TMDB origin as a process of its own, so that a test can stop or kill it:
 * `deno run --allow-net=127.0.0.1 tests/origins/origin_process.ts --port N --latency MS --keys a,b`.
 * It prints one line of JSON, `{"url":…,"pid":…}`, when it is ready, and ends on SIGTERM.
 */
import { parseArgs } from "node:util";
import { startTmdbOrigin } from "./tmdb_origin.ts";

const { values } = parseArgs({
  options: { port: { type: "string" }, latency: { type: "string" }, keys: { type: "string" } },
});
const origin = await startTmdbOrigin({
  port: Number(values.port ?? "0"),
  latencyMs: Number(values.latency ?? "0"),
  ...(values.keys === undefined ? {} : { keys: values.keys.split(",") }),
});
await Deno.stdout.write(new TextEncoder().encode(JSON.stringify({ url: origin.url, pid: Deno.pid }) + "\n"));
Deno.addSignalListener("SIGTERM", () => origin.close().then(() => Deno.exit(0)));
