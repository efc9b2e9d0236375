/**
 * Holds the gateway against the public HTTP cache suite: `deno task conformance [--base URL]`. It starts the suite's origin and a
 * gateway in front of it, runs every case, and prints what was passed and each case that was not. The reasons are in
 * `docs/conformance.md`; a case without one fails the run. With `--base` another cache is judged, which has to stand in front of the origin already.
 */
import { freePort } from "../free_port.ts";
import { parseArgs } from "node:util";
import { startListenerGateway } from "../system/listener_gateway.ts";
import { runSuite, SUITE } from "./suite.ts";

const { values } = parseArgs({ options: { base: { type: "string" }, log: { type: "boolean" } } });
await using stack = new AsyncDisposableStack();
const results = await runSuite(values.base ?? await startJudged(stack));
const reasons = await Deno.readTextFile("docs/conformance.md");
print(`${SUITE}\n`);
for (const part of ["http", "surrogate"] as const) {
  for (const kind of ["required", "optional"] as const) {
    const all = results.filter((result) => result.part === part && result.kind === kind);
    print(`${part} ${kind} ${all.filter(({ passed }) => passed).length}/${all.length}\n`);
  }
}
for (const { id, kind, problem } of results.filter(({ passed, kind }) => !passed && kind !== "check")) {
  const isExplained = reasons.includes(`\`${id}\``);
  print(`${isExplained ? "" : "NOT EXPLAINED "}${kind} ${id}: ${problem}\n`);
  if (!isExplained) Deno.exitCode = 1;
}

/** The suite's origin and a gateway that obeys it; answers the gateway's address. */
async function startJudged(stack: AsyncDisposableStack): Promise<string> {
  const port = freePort();
  const origin = new Deno.Command(Deno.execPath(), {
    args: ["run", "--no-lock", "--allow-all", "tests/conformance/suite_origin.ts"],
    env: { npm_config_port: String(port), npm_config_protocol: "http", npm_config_pidfile: "/dev/null" },
    stdout: "null",
  }).spawn();
  stack.defer(async () => {
    origin.kill("SIGKILL");
    await origin.status;
  });
  await listening(port);
  const judged = { mode: "rfc9111", set_cookie: "store" };
  const gateway = stack.adopt(
    await startListenerGateway(`http://127.0.0.1:${port}`, judged),
    (running) => running.close(),
  );
  if (values.log) stack.defer(() => print(gateway.log()));
  return gateway.url;
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
