import assert from "node:assert/strict";
import { systemClock } from "../../lib/clock.ts";
import {
  askCheck,
  type CheckAnswer,
  httpFinding,
  keyFinding,
  typeOfPool,
  withDefaultCheck,
  withSafeCheck,
} from "../../lib/inspect/check_findings.ts";
import { formatHttpDate } from "../../lib/http/http_date.ts";
import { type ScriptedHandler, startScriptedOrigin } from "../origins/scripted_origin.ts";
import { configOf, type Mapping } from "../gateway/config_of.ts";
import type { Fields } from "../../lib/http/fields.ts";
import { upstreamTypes } from "../../lib/upstream_type/registry.ts";

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

const { pools: [pool] } = await configOf({
  pools: { p: { type: "custom", upstreams: ["http://127.0.0.1:9"], health: { timeout: "1s", interval: "10s" } } },
  listeners: [{ name: "l", listen: "127.0.0.1:6635", pool: "p" }],
});
const tmdb = upstreamTypes.create("tmdb-api", { apiKeys: [], keyMode: "pass", contentTypes: null, now: () => 0 });

function answer(
  status: number | null,
  more: Partial<CheckAnswer> & { reason?: string; type?: string } = {},
): CheckAnswer {
  const { reason = "", type, ...rest } = more;
  const fields: Fields = type === undefined ? [] : [["content-type", type]];
  const verdict = reason === "" ? "pass" : "fail";
  const result = { verdict, reason, latencyMs: 12 } as const;
  return {
    result,
    method: "GET",
    target: "/h?token=secret",
    status,
    fields,
    text: "",
    failure: null,
    aheadMs: null,
    ...rest,
  };
}

Deno.test("httpFinding() is well with a check that passes, and shows no secret of its target", () => {
  const finding = httpFinding(answer(200), pool!);
  assert.deepEqual([finding.state, finding.remedy], ["ok", null]);
  assert.equal(finding.text, "GET /h?token=[redacted]: 200 in 12 ms");
  assert.match(httpFinding(answer(401), pool!).text, /the host is well/);
  assert.equal(httpFinding(null, pool!).state, "skip");
});

Deno.test("httpFinding() warns of a limit, and of an answer that comes too late for the health worker", () => {
  assert.equal(httpFinding(answer(429), pool!).state, "warn");
  const slow = httpFinding(answer(200, { result: { verdict: "pass", reason: "", latencyMs: 1_500 } }), pool!);
  assert.equal(slow.state, "warn");
  assert.match(slow.remedy!, /`health\.timeout` \(1s\)/);
});

Deno.test("httpFinding() has a remedy for each way to fail", () => {
  const remedies: [CheckAnswer, RegExp][] = [
    [answer(200, { reason: "status 200", type: "text/html" }), /filter.*`proxy: …`/],
    [answer(200, { reason: "status 200", type: "video/mp4" }), /`content_types`/],
    [answer(301, { reason: "status 301" }), /`url`/],
    [answer(403, { reason: "status 403", type: "text/html; charset=utf-8" }), /filter/],
    [answer(401, { reason: "status 401", type: "application/json" }), /credentials/],
    [answer(404, { reason: "status 404" }), /`health\.path`/],
    [answer(503, { reason: "status 503" }), /in trouble itself/],
    [answer(null, { reason: "no answer within 5 ms" }), /does not answer/],
    [answer(200, { reason: "no answer within 5 ms", type: "application/json" }), /does not answer in time/],
    [answer(200, { reason: "truncated", type: "application/json" }), /the connection broke/],
    [answer(null, { reason: "protocol" }), /not HTTP\/1\.1/],
    [answer(null, { reason: "reset" }), /connection broke/],
    [answer(null, { reason: "tls", failure: "Cannot connect: x" }), /lines above/],
  ];
  for (const [failing, remedy] of remedies) {
    const finding = httpFinding(failing, pool!);
    assert.equal(finding.state, "fail");
    assert.match(finding.remedy!, remedy);
  }
});

Deno.test("httpFinding() shows where a redirect leads, without what it holds of secrets", () => {
  const fields: Fields = [["location", "https://login.example/?access_token=abc"]];
  const { text } = httpFinding(answer(302, { reason: "status 302", fields }), pool!);
  assert.match(text, /status 302 to https:\/\/login\.example\/\?access_token=\[redacted\]/);
});

Deno.test("keyFinding() tells valid, invalid, suspended and limited keys apart by the type's own words", () => {
  const said = (status: number | null, text = "") => {
    const finding = keyFinding(2, answer(status, { text }), tmdb);
    assert.equal(finding.check, "key 2");
    return `${finding.state}: ${finding.text}`;
  };
  assert.equal(said(200), "ok: valid");
  assert.equal(said(401, '{"status_code":7}'), "fail: refused (401, invalid key, code 7)");
  assert.equal(said(401, '{"success":false,"status_code" : 10}'), "fail: refused (401, suspended key, code 10)");
  assert.equal(said(429, '{"status_code":25}'), "warn: limited (429, over the limit, code 25)");
  assert.equal(said(401, "<html>"), "fail: refused (401)");
  assert.match(said(503), /^skip: .*status 503/);
  assert.match(said(null), /^skip/);
  assert.equal(keyFinding(1, null, tmdb).state, "skip");
});
