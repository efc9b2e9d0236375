import assert from "node:assert/strict";
import { fingerprintOf } from "../../lib/gateway/fingerprint.ts";
import type { UpstreamType } from "../../lib/upstream_type/upstream_type.ts";
import { upstreamTypes } from "../../lib/upstream_type/registry.ts";
import { configOf, type Mapping, SHARED } from "./config_of.ts";

const A = "http://a.example";
const B = "http://b.example";
const TOKEN = "5f3c9a1e7b2d4068aa51c0de93b7f642";

/** A listener and its pool, changed in some places. */
interface Changes {
  readonly listener?: Mapping;
  readonly cache?: Mapping;
  readonly pool?: Mapping;
  readonly file?: Mapping;
}

async function fingerprint({ listener, cache, pool, file }: Changes = {}): Promise<string | null> {
  const config = await configOf({
    ...SHARED,
    pools: {
      films: { type: "custom", health: false, upstreams: [A], ...pool },
      other: { type: "custom", health: false, upstreams: [B] },
    },
    listeners: [
      { name: "films", listen: "127.0.0.1:6635", prefix: "/films", pool: "films", cache: { ...cache }, ...listener },
      { name: "rest", listen: "127.0.0.1:6635", pool: "other" },
    ],
    ...file,
  });
  const typeOf = (name: string): UpstreamType =>
    upstreamTypes.create(config.pools.find((one) => one.name === name)!.type, {
      ...{ apiKeys: [], keyMode: "pass", contentTypes: null, imageAccept: "named", now: () => 0, onKeyEvent: () => {} },
    });
  return fingerprintOf(config, config.listeners[0]!, typeOf);
}

Deno.test("fingerprintOf() differs where a key stands for something else, or something else may be stored", async () => {
  const rule = { when: { path: "/x" }, request: { set: { "x-a": "b" } } };
  const changes: Readonly<Record<string, Changes>> = {
    "as it is": {},
    name: { listener: { name: "movies" } },
    prefix: { listener: { prefix: "/movies" } },
    "strip_prefix": { listener: { strip_prefix: true } },
    "forward_fields": { listener: { forward_fields: ["x-host"] } },
    rules: { listener: { rules: [rule] } },
    "other rules": { listener: { rules: [{ ...rule, request: { set: { "x-a": "c" } } }] } },
    "a rule to another pool": { listener: { rules: [{ when: { path: "/x" }, pool: "other" }] } },
    cors: { listener: { cors: { origins: ["https://a.example"] } } },
    query: { cache: { query: { exclude: ["utm_*"] } } },
    cookies: { cache: { cookies: { key: ["lang"] } } },
    "set_cookie": { cache: { set_cookie: "store" } },
    mode: { cache: { mode: "ttl" } },
    "targeted_fields": { cache: { targeted_fields: ["Usher-Control"] } },
    upstreams: { pool: { upstreams: [B] } },
    "an upstream's path": { pool: { upstreams: [`${A}/base`] } },
    "an upstream's host": { pool: { upstreams: [{ url: A, host: "c.example" }] } },
    "preserve_host": { pool: { preserve_host: true } },
    forwarded: { pool: { forwarded: "both" } },
    type: { pool: { type: "tmdb-api" } },
    "shared_as": { cache: { shared_as: "films-2026" } },
  };
  const seen = new Map<string | null, string>();
  for (const [name, change] of Object.entries(changes)) {
    const found = await fingerprint(change);
    assert.ok(found !== null, name);
    assert.equal(seen.get(found), undefined, `${name} is as ${seen.get(found)}`);
    seen.set(found, name);
  }
});

Deno.test("fingerprintOf() is the same where only lifetimes, limits or the way to the upstreams differ", async () => {
  const same: readonly Changes[] = [
    { cache: { rules: [{ path: "/**", ttl: "1h", shared: false }] } },
    { cache: { key_host: "films.lan", range: "fetch-full", status_key: true } },
    { listener: { host: ["a.lan", "b.lan"], max_in_flight: 10, public_url: "http://a.lan:1/" } },
    { listener: { rules: [{ when: { path: "/x" }, response: { set: { "x-a": "b" } } }] } },
    { pool: { strategy: "round-robin", retry: { attempts: 5 }, upstreams: [{ url: A, weight: 3, max_rps: 10 }] } },
    { file: { cache: { shared: { timeout: "1s" }, memory: "64MiB" } } },
  ];
  const expected = await fingerprint();
  for (const change of same) assert.equal(await fingerprint(change), expected, JSON.stringify(change));
  const both = [A, B];
  const ordered = await fingerprint({ pool: { upstreams: both } });
  assert.equal(await fingerprint({ pool: { upstreams: both.toReversed() } }), ordered);
  assert.notEqual(ordered, expected);
  const named = (upstreams: readonly string[]) => fingerprint({ pool: { upstreams }, cache: { shared_as: "x" } });
  assert.equal(await named([A]), await named([B]));
  const known = (upstreams: readonly string[]) => fingerprint({ pool: { type: "tmdb-api", upstreams } });
  assert.equal(await known([A]), await known([B]));
});

Deno.test("fingerprintOf() is null where a listener shares nothing: without a tier, with tokens, or where it says so", async () => {
  const auth = { tokens: { tv: TOKEN } };
  assert.equal(await fingerprint({ file: { cache: {} } }), null);
  assert.equal(await fingerprint({ cache: { shared: false } }), null);
  assert.equal(await fingerprint({ cache: { mode: "off" } }), null);
  assert.equal(await fingerprint({ listener: { auth } }), null);
  assert.equal(await fingerprint({ listener: { auth }, cache: { shared: true } }), await fingerprint());
});
