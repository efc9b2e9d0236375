import assert from "node:assert/strict";
import { systemClock } from "../../lib/clock.ts";
import {
  askCheck,
  type CheckAnswer,
  typeOfPool,
  withDefaultCheck,
  withSafeCheck,
} from "../../lib/inspect/ask_check.ts";
import { formatHttpDate } from "../../lib/http/http_date.ts";
import { type ScriptedHandler, startScriptedOrigin } from "../origins/scripted_origin.ts";
import { configOf, type Mapping } from "../gateway/config_of.ts";

const KEY = "0123456789abcdef0123456789abcdef";
const PATIENT_MS = 10_000;

async function poolOf(pool: Mapping) {
  const config = await configOf({
    pools: { p: { type: "custom", upstreams: ["http://127.0.0.1:9"], ...pool } },
    listeners: [{ name: "l", listen: "127.0.0.1:6635", pool: "p" }],
  });
  return { config, pool: config.pools[0]!, upstream: config.pools[0]!.upstreams[0]!, clock: systemClock };
}

/** The answer of an origin, and the targets that it was asked for. */
async function answerOf(
  handler: ScriptedHandler,
  pool: Mapping = {},
  timeoutMs = PATIENT_MS,
): Promise<{ answer: CheckAnswer; targets: string[] }> {
  const origin = await startScriptedOrigin(handler);
  try {
    const answer = await askCheck({ ...await poolOf({ ...pool, upstreams: [`${origin.url}/base`] }), timeoutMs });
    assert.ok(answer !== null);
    return { answer, targets: origin.heads.map(({ method, target }) => `${method} ${target}`) };
  } finally {
    await origin.close();
  }
}

Deno.test("askCheck() asks as the health worker does, and brings status, fields and text back", async () => {
  const { answer, targets } = await answerOf(
    (exchange) => exchange.reply({ fields: [["content-type", "application/json"]], body: '{"a":1}' }),
    { type: "tmdb-api", api_keys: [KEY] },
  );
  assert.deepEqual(targets, [`GET /base/3/configuration?api_key=${KEY}`]);
  assert.deepEqual([answer.result.verdict, answer.status, answer.text, answer.failure], ["pass", 200, '{"a":1}', null]);
  assert.equal(answer.target, "/3/configuration", "without the key");
});

Deno.test("askCheck() asks nothing where the pool's checks are off", async () => {
  assert.equal(await askCheck({ ...await poolOf({ health: false }), timeoutMs: PATIENT_MS }), null);
});

Deno.test("askCheck() ends with an upstream that hangs, sends fields without end, or is no HTTP", async () => {
  const hanging = await answerOf(() => new Promise(() => {}), {}, 100);
  assert.match(hanging.answer.result.reason, /no answer within 100 ms/);
  const endless = await answerOf(async (exchange) => {
    await exchange.write("HTTP/1.1 200 OK\r\n");
    while (exchange.isOpen) {
      await exchange.write(`x-filler: ${"y".repeat(8_000)}\r\n`);
      await new Promise((resolve) => setTimeout(resolve, 0));
    }
  });
  assert.equal(endless.answer.result.verdict, "fail");
  assert.equal(endless.answer.status, null);
  const garbage = await answerOf((exchange) => exchange.write("\0\x01garbage\r\n\r\n"));
  assert.equal(garbage.answer.result.reason, "protocol");
});

Deno.test("askCheck() tells by how much this machine's clock is ahead, ages counted in", async () => {
  const at = (ms: number) => formatHttpDate(Date.now() - ms);
  const ahead = async (fields: [string, string][]) =>
    (await answerOf((exchange) => exchange.reply({ fields }))).answer.aheadMs;
  const hour = 3_600_000;
  const slow = await ahead([["date", at(hour)]]);
  assert.ok(slow !== null && slow >= hour, String(slow));
  const aged = await ahead([["date", at(hour)], ["age", "3600"]]);
  assert.ok(aged !== null && aged < hour, String(aged));
  assert.equal(await ahead([["date", "yesterday"]]), null);
});

Deno.test("withSafeCheck() falls back on the type's own check where a path is not known to change nothing", async () => {
  // A configuration with such a path is refused when it is read.
  const pathOf = async (type: string, path: string) => {
    const { pool } = await poolOf({ type });
    return withSafeCheck({ ...pool, health: { ...pool.health, path } }, systemClock).health.path;
  };
  assert.equal(await pathOf("tmdb-api", "/3/authentication/token/new"), null);
  assert.equal(await pathOf("tmdb-api", "/3/account"), null);
  assert.equal(await pathOf("tmdb-api", "/3/movie/550"), "/3/movie/550");
  assert.equal(await pathOf("custom", "/healthz?deep=1"), "/healthz?deep=1");
});

Deno.test("withDefaultCheck() leaves nothing of a check that was configured", async () => {
  const { pool } = await poolOf({
    health: { path: "/x", method: "GET", status: "200", contains: "y", fields: { a: "b" } },
  });
  const { path, method, status, check: { contains }, fields } = withDefaultCheck(pool).health;
  assert.deepEqual([path, method, status, contains, fields], [null, null, null, null, {}]);
});

Deno.test("typeOfPool() is the pool's type, without its keys", async () => {
  const { pool } = await poolOf({ type: "tmdb-api", api_keys: [KEY] });
  const type = typeOfPool(pool, systemClock);
  assert.equal(type.name, "tmdb-api");
  assert.equal(
    JSON.stringify(type.outgoing({ method: "GET", path: "/3/x", query: "", header: () => null })).includes(KEY),
    false,
  );
});
