import assert from "node:assert/strict";
import { GatewayError } from "../../lib/errors.ts";
import { DryRun } from "../../lib/inspect/dry_run.ts";
import { madeUpAnswer } from "../../lib/inspect/explain_answers.ts";
import { requestSettings } from "../../lib/inspect/explain_settings.ts";
import { configOf, type Mapping } from "../gateway/config_of.ts";

const TOKEN = "0123456789abcdef0123";

interface Asked {
  readonly path?: string;
  readonly contentType?: string;
}

async function settingsOf(listener: Mapping, pool: Mapping = {}, asked: Asked = {}): Promise<Record<string, string>> {
  const { path = "/a", contentType = "application/json" } = asked;
  const config = await configOf({
    pools: { p: { type: "custom", health: false, upstreams: ["http://127.0.0.1:9"], ...pool } },
    listeners: [{ name: "l", listen: "127.0.0.1:6635", pool: "p", ...listener }],
  });
  await using dry = new DryRun(config, madeUpAnswer(200, contentType));
  const fields: [string, string][] = [["host", "h.example"]];
  const exchange = dry.exchange("127.0.0.1:6635", { method: "GET", url: `http://h.example${path}`, fields });
  assert.ok(exchange !== null && !(exchange instanceof GatewayError));
  const subject = { listener: config.listeners[0]!, pool: config.pools[0]!, exchange, contentType };
  return Object.fromEntries(requestSettings(subject));
}

Deno.test("requestSettings() words the limits, tries and hedging that are configured", async () => {
  const settings = await settingsOf(
    { rate_limit: { requests: 100, per: "10s", burst: 20 }, max_in_flight: 5, queue: { size: 7, timeout: "2s" } },
    { retry: { attempts: 2 }, hedge: { after: "300ms", max_extra: "5%" }, timeouts: { total: "9s" } },
  );
  assert.match(settings["client rate"]!, /^100 in 10s each address .*20 at once; then 429$/);
  assert.equal(settings["in flight"], "5 at upstreams; 7 more wait up to 2s, then 503");
  assert.equal(settings["tries"], "2 at most, 9s together");
  assert.equal(settings["each key"], undefined, "a pool without keys");
  const named = await settingsOf({
    auth: { tokens: { anna: [TOKEN] } },
    rate_limit: { requests: 100, per: "10s", by: "client" },
  });
  assert.match(named["client rate"]!, /^100 in 10s each client with a name, /);
  assert.equal(settings["hedging"], "a second try after 300ms, for 5 % of requests at most");
});

Deno.test("requestSettings() tells of what is in the key, and leaves out what is not configured", async () => {
  const settings = await settingsOf({
    cache: { query: { exclude: ["utm_*"], sort: true }, cookies: { key: ["lang"] } },
  });
  assert.equal(settings["query in key"], "not utm_*, in any order");
  assert.equal(settings["cookies in key"], "lang");
  const plain = await settingsOf({});
  assert.deepEqual([plain["query in key"], plain["compression"], plain["in flight"]], [
    undefined,
    undefined,
    "no limit",
  ]);
  const compressed = await settingsOf({ cache: { compress: { enabled: true } } });
  assert.match(compressed["compression"]!, /gzip from/);
});

Deno.test("requestSettings() says who is let in, and which pages may read", async () => {
  const closed = await settingsOf({ auth: { tokens: { anna: [TOKEN], tv: [`${TOKEN}x`] }, path: true } });
  assert.match(closed["auth"]!, /2 clients.*shows none/);
  const inside = await settingsOf({ auth: { tokens: { anna: [TOKEN] }, path: true } }, {}, { path: `/~${TOKEN}/a` });
  assert.match(inside["auth"]!, /1 client with.*this is anna/);
  const wrong = await settingsOf({ auth: { tokens: { anna: [TOKEN] }, path: true } }, {}, { path: `/~${TOKEN}x/a` });
  assert.match(wrong["auth"]!, /is not valid/);
  assert.equal((await settingsOf({}))["cors"], "as the upstream says");
  assert.equal((await settingsOf({}, { type: "tmdb-api" }))["cors"], "every page may read");
  assert.equal((await settingsOf({ cors: "https://page.example" }))["cors"], "https://page.example");
});

Deno.test("requestSettings() tells which overrides match, and what images become", async () => {
  const overrides = [{ path: "/b", merge: { x: 1 } }, { path: "/a", merge: { x: 2 } }];
  assert.equal((await settingsOf({ overrides }))["overrides"], "2 of 2 match the request");
  assert.equal((await settingsOf({ overrides }, {}, { path: "/c" }))["overrides"], undefined);
  const images = { convert: { formats: ["webp"] } };
  const picture = await settingsOf({ images }, { type: "tmdb-image" }, {
    path: "/t/p/w92/a.jpg",
    contentType: "image/jpeg",
  });
  assert.match(picture["pictures"]!, /webp/);
  const sizing = await settingsOf({ images: { size_fallback: true, max_size: { width: 780 } } }, {
    type: "tmdb-image",
  });
  assert.match(sizing["missing sizes"]!, /next larger one/);
  assert.match(sizing["largest size"]!, /^780 pixels wide/);
  assert.equal(picture["missing sizes"], undefined);
});

Deno.test("requestSettings() tells where s-maxage leaves stale-while-revalidate in force", async () => {
  const said = async (cache: Mapping) => (await settingsOf({ cache }))["shared_stale"];
  assert.equal(await said({ shared_stale: true }), "s-maxage does not forbid stale-while-revalidate");
  assert.deepEqual([await said({}), await said({ shared_stale: true, mode: "off" })], [undefined, undefined]);
});
