import assert from "node:assert/strict";
import { requestSettings } from "../../lib/gateway/explain_settings.ts";
import { compileStoring } from "../../lib/gateway/cache_policy.ts";
import { createUpstreamType } from "../../lib/upstream_type/registry.ts";
import { configOf, type Mapping } from "./config_of.ts";

async function settingsOf(listener: Mapping, pool: Mapping = {}): Promise<Record<string, string>> {
  const config = await configOf({
    pools: { p: { type: "custom", health: false, upstreams: ["http://127.0.0.1:9"], ...pool } },
    listeners: [{ name: "l", listen: "127.0.0.1:6635", pool: "p", ...listener }],
  });
  const type = createUpstreamType("custom", { apiKeys: [], keyMode: "pass", contentTypes: null, now: () => 0 });
  const storing = compileStoring(config.listeners[0]!.cache, type);
  const subject = { listener: config.listeners[0]!, pool: config.pools[0]!, storing, contentType: "application/json" };
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
