import assert from "node:assert/strict";
import { GatewayError } from "../../lib/errors.ts";
import { DryRun } from "../../lib/inspect/dry_run.ts";
import { cacheView, likelyContentType, madeUpAnswer, type RoutedCase } from "../../lib/inspect/explain_answers.ts";
import type { AnswerView } from "../../lib/inspect/explanation.ts";
import { upstreamTypes } from "../../lib/upstream_type/registry.ts";
import { configFor, type GatewayParts } from "../pipeline/in_process_gateway.ts";

const typeOf = (name: string, contentTypes: { allow: string[]; deny: string[] } | null = null) =>
  upstreamTypes.create(name, { apiKeys: [], keyMode: "pass", contentTypes, now: () => 0 });

Deno.test("likelyContentType() goes by the path's end, as far as the pool carries it", () => {
  assert.equal(likelyContentType(typeOf("custom"), "/a/b.css"), "text/css");
  assert.equal(likelyContentType(typeOf("custom"), "/a/b"), "application/json");
  assert.equal(likelyContentType(typeOf("tmdb-api"), "/3/x.jpg"), "application/json");
  assert.equal(likelyContentType(typeOf("tmdb-image"), "/t/p/w92/x"), "image/jpeg");
  assert.equal(likelyContentType(typeOf("custom", { allow: ["text/html"], deny: [] }), "/x.json"), "text/html");
});

async function answersOf(listener: Readonly<Record<string, unknown>>, path = "/a", method = "GET", cache = {}) {
  const parts: GatewayParts = {
    cache,
    pools: { p: { type: "custom", health: false, upstreams: ["http://127.0.0.1:9"] } },
    listeners: [{ name: "l", pool: "p", ...listener }],
  };
  const config = await configFor(parts);
  const asked = { method, url: `http://h.example${path}`, fields: [["host", "h.example"]] as [string, string][] };
  const address = "127.0.0.1:6635";
  await using dry = new DryRun(config, madeUpAnswer(200, "text/plain"));
  const exchange = dry.exchange(address, asked);
  assert.ok(exchange !== null && !(exchange instanceof GatewayError));
  const one: RoutedCase = {
    ...{ config, address, asked, exchange },
    pool: config.pools[0]!,
    contentType: "application/json",
  };
  return await cacheView(one, (_, rule) => `rule ${rule + 1}`);
}

const brief = (
  view: AnswerView,
) => [view.status, view.content_type, view.cache_control, view.fresh_ms, view.decided_by];

Deno.test("cacheView() tells answers apart as the rules do, and leaves out those that say nothing new", async () => {
  const rules = [
    { path: "/a", content_type: "image/*", ttl: "1h" },
    { status: "410", ttl: "2m" },
    { path: "/b", content_type: "text/*", ttl: "1h" },
  ];
  const view = await answersOf({ cache: { mode: "ttl", rules } });
  assert.deepEqual(view!.answers.map(brief), [
    [200, "application/json", null, 0, "guess"],
    [200, "application/json", "max-age=600", 600_000, "origin"],
    [404, "application/json", null, 0, "guess"],
    [503, "application/json", null, 0, "guess"],
    [200, "image/jpeg", null, 3_600_000, "rule 1"],
    [410, "application/json", null, 120_000, "rule 2"],
  ]);
  const ruled = await answersOf({ cache: { mode: "ttl", rules: [{ ttl: "1h" }] } });
  assert.deepEqual(ruled!.answers.map(({ cache_control: said }) => said), [null, null, null]);
});

Deno.test("cacheView() is null where the listener does not cache, and looks nothing up for other methods", async () => {
  assert.equal(await answersOf({ cache: { mode: "off" } }), null);
  const posted = await answersOf({}, "/a", "POST");
  assert.deepEqual([posted!.bypass, posted!.key, posted!.answers], ["method", null, []]);
});

Deno.test("cacheView() shows for HEAD what a GET would store: that is what answers it", async () => {
  const view = await answersOf({ cache: { mode: "ttl", rules: [{ ttl: "1h" }] } }, "/a", "HEAD");
  assert.equal(view!.answers[0]!.fresh_ms, 3_600_000);
});

Deno.test("cacheView() shows no credential of a query that is part of the key", async () => {
  const view = await answersOf({}, "/a?token=secret&x=1");
  assert.deepEqual(view!.key, ["l", "h.example", "/a?token=[redacted]&x=1"]);
});

Deno.test("cacheView() says where an answer is kept: in memory, on disk, on disk alone, or nowhere", async () => {
  const keptIn = async (rule: Readonly<Record<string, unknown>>, cache: Readonly<Record<string, unknown>> = {}) => {
    const view = await answersOf({ cache: { mode: "ttl", rules: [{ ttl: "1h", ...rule }] } }, "/a", "GET", cache);
    const { stored, memory, disk } = view!.answers[0]!;
    return { stored, memory, disk };
  };
  assert.deepEqual(await keptIn({}), { stored: true, memory: true, disk: true });
  assert.deepEqual(await keptIn({ memory: false }), { stored: true, memory: false, disk: true });
  assert.deepEqual(await keptIn({ disk: false }), { stored: true, memory: true, disk: false });
  // Without a disk tier what is for the disk alone is fetched each time.
  assert.equal((await keptIn({ memory: false }, { disk: 0 })).stored, false);
});
