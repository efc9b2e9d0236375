/**
 * `deno task chaos:upstreams`: two upstreams as processes, one of them fails in every way of `scenarios.ts` while a gateway is under load.
 * Prints one table and writes it into docs/resilience.md. Ends with 1 where a GET failed.
 */
import { startPoolGateway } from "../../system/pool_gateway.ts";
import { measureHedging } from "./hedging.ts";
import { type ChaosRow, measureLoad } from "./measure.ts";
import { type ChaosOrigin, startChaosOrigin } from "./origins.ts";
import { chaosTable, hedgingTable, writeTables } from "./report.ts";
import { type Scenario, scenarios } from "./scenarios.ts";

/** How long each scenario is under load; the fault comes after a quarter of it. */
const LENGTH_MS = 8_000;

const rows: ChaosRow[] = [];
for (const scenario of scenarios) {
  const row = await runScenario(scenario);
  rows.push(row);
  await print(`${scenario.name}: ${row.sent} sent, ${row.failures.length} failed, ${row.aborted} aborted`);
  for (const failure of row.failures.slice(0, 3)) await print(`  ${failure}`);
}
const tables = [chaosTable(rows), hedgingTable(await measureHedging())];
await writeTables(tables);
await print(`\n${tables.join("\n\n")}`);
Deno.exitCode = rows.some(({ failures }) => failures.length > 0) ? 1 : 0;

async function print(text: string): Promise<void> {
  await Deno.stdout.write(new TextEncoder().encode(`${text}\n`));
}

async function runScenario(scenario: Scenario): Promise<ChaosRow> {
  await using stack = new AsyncDisposableStack();
  const healthy = stack.adopt(await startChaosOrigin(), (origin) => origin.close());
  const failing = stack.adopt(await startChaosOrigin(), (origin) => origin.close());
  const gateway = stack.adopt(
    await startPoolGateway(poolOf([healthy.url, failing.url])),
    (running) => running.close(),
  );
  const startedAtMs = performance.now();
  const load = measureLoad({
    url: gateway.url,
    prefix: scenario.streams ? "/large" : "/small",
    connections: 8,
    pauseMs: 40,
    untilMs: startedAtMs + LENGTH_MS,
  });
  await new Promise((resolve) => setTimeout(resolve, LENGTH_MS / 4));
  await fail(failing, scenario);
  const measured = await load;
  return { name: scenario.name, ...measured, extraTries: await extraTries(gateway, measured.sent) };
}

async function fail(origin: ChaosOrigin, { fault }: Scenario): Promise<void> {
  if ("signal" in fault) origin.signal(fault.signal);
  else await origin.mode(fault.mode);
}

function poolOf(upstreams: readonly string[]) {
  return {
    upstreams,
    content_types: { allow: ["application/json"] },
    timeouts: { connect: "500ms", first_byte: "1s", idle: "1s", total: "8s" },
    health: { path: "/_count", interval: "1s", timeout: "500ms", unhealthy_interval: "500ms" },
  };
}

/** Tries as the gateway counts them; those that it gave up for a client do not count. */
async function extraTries(gateway: { adminUrl: string }, sent: number): Promise<number> {
  const status = await (await fetch(`${gateway.adminUrl}/status`)).json();
  const upstreams: { tries: Record<string, number> }[] = status.pools[0].upstreams;
  const tries = upstreams.flatMap((upstream) => Object.values(upstream.tries)).reduce((sum, count) => sum + count, 0);
  return (tries - sent) / sent;
}
