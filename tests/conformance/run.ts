/**
 * Holds the gateway against the public HTTP cache suite: `deno task conformance [--suite DIR] [--base URL] [--log]`. It starts the
 * suite's origin and a gateway in front of it, runs every case, and prints what was passed and each case that was not. The reasons
 * are in `docs/conformance.md`; a case without one fails the run, and with `--suite` also figures below those the page states.
 * `--suite` names a checkout of `http-tests/cache-tests`; without it the older edition on npm is run. With `--base` another cache is
 * judged, which has to stand in front of the origin already.
 */
import { parseArgs } from "node:util";
import { freePort } from "../free_port.ts";
import { startListenerGateway } from "../system/listener_gateway.ts";
import { type CaseResult, checkoutSuite, npmSuite, type Suite, suiteProcess } from "./suite.ts";

const { values } = parseArgs({
  options: { suite: { type: "string" }, base: { type: "string" }, log: { type: "boolean" } },
});
await using stack = new AsyncDisposableStack();
const suite = values.suite === undefined ? npmSuite() : await checkoutSuite(values.suite);
const results = await runCases(values.base ?? await startJudged());
report(results, await Deno.readTextFile("docs/conformance.md"));

/** The suite's origin and a gateway that obeys it; answers the gateway's address. */
async function startJudged(): Promise<string> {
  const port = freePort();
  const env = { npm_config_port: String(port), npm_config_protocol: "http", npm_config_pidfile: "/dev/null" };
  const origin = suiteProcess("suite_origin.ts", suite, { env, stdout: "null" });
  stack.defer(async () => {
    origin.kill("SIGKILL");
    await origin.status;
  });
  await listening(port);
  const judged = { mode: "rfc9111", client_cache_control: "obey", set_cookie: "store" };
  const gateway = stack.adopt(
    await startListenerGateway(`http://127.0.0.1:${port}`, judged),
    (running) => running.close(),
  );
  if (values.log) stack.defer(() => print(gateway.log()));
  return gateway.url;
}

async function runCases(base: string): Promise<CaseResult[]> {
  const client = suiteProcess("suite_client.ts", suite, { args: [base], stdout: "piped" });
  const { success, stdout } = await client.output();
  if (!success) throw new Error("The suite's client ended before it had run all cases");
  return JSON.parse(lastLine(new TextDecoder().decode(stdout)));
}

/** The suite prints remarks of its own before the results. */
function lastLine(text: string): string {
  return text.slice(text.lastIndexOf("\n") + 1);
}

function report(results: readonly CaseResult[], reasons: string): void {
  print(`${suite.name}\n`);
  for (const part of ["http", "surrogate"] as const) {
    for (const kind of ["required", "optional"] as const) {
      const all = results.filter((result) => result.part === part && result.kind === kind);
      const passed = all.filter((result) => result.passed).length;
      if (all.length > 0) print(`${part} ${kind} ${passed}/${all.length}\n`);
      const least = part === "http" ? floorOf(suite, kind) : 0;
      if (passed < least) fail(`TOO FEW ${kind}: ${passed} passed, ${least} or more are stated\n`);
    }
  }
  for (const { id, kind, problem } of results.filter(({ passed, kind }) => !passed && kind !== "check")) {
    const text = `${kind} ${id}: ${problem}\n`;
    if (reasons.includes(`\`${id}\``)) print(text);
    else fail(`NOT EXPLAINED ${text}`);
  }
}

function floorOf({ floor }: Suite, kind: "required" | "optional"): number {
  return floor?.[kind] ?? 0;
}

function fail(text: string): void {
  print(text);
  Deno.exitCode = 1;
}

async function listening(port: number): Promise<void> {
  const untilMs = performance.now() + 60_000;
  for (;;) {
    try {
      (await Deno.connect({ hostname: "127.0.0.1", port })).close();
      return;
    } catch (error) {
      if (performance.now() > untilMs) throw error;
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }
}

function print(text: string): void {
  Deno.stdout.writeSync(new TextEncoder().encode(text));
}
