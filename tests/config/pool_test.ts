import assert from "node:assert/strict";
import { cleanApiKey } from "../../lib/config/api_keys.ts";
import { configOf, problemsOf, warningsOf } from "./load_text.ts";

Deno.test("poolOf() says what each key means", async () => {
  const { pools } = await configOf(`
pools:
  p:
    type: custom
    strategy: round-robin
    upstreams: [http://a.example]
    timeouts: { connect: 1ms, first_byte: 2ms, idle: 3ms, total: 4ms }
    panic: fail
    panic_threshold: 10%
    slow_start: 0
    weights: { base_weight_multiplier: 2, dynamic_weight_multiplier: 3, alpha_initial: 0.4, alpha_adjustment_step: 5%,
      fast_half_life: 1s, slow_half_life: 1m, failure_penalty: 6s }
    outliers: { failure_ratio: 70%, window: 8s, min_volume: 9, ejection_time: 10m, max_ejection_time: 1s,
      max_ejected: 11%, probes: 12 }
    retry: { attempts: 4, backoff: 3s, max_backoff: 2s, budget: 0.5, budget_floor: 13 }
    hedge: { after: 300ms, max_extra: 2% }
    health: { enabled: false, method: HEAD, path: /h?x, fields: { accept: "*/*" }, status: [200, 300-399], contains: ok,
      interval: 10s, unhealthy_interval: 2s, timeout: 1s, rise: 3, fall: 4, max_failures: 6 }
    key_mode: pass
    key_limits: { per: key, max_rps: 2.5, burst: 1 }
    content_types: { allow: [Image/*], deny: [text/html], verify: [application/json] }
    preserve_host: true
    forwarded: both
    trace_context: false
    upgrade: [websocket]
    tunnels: { idle: 7s, max: 8 }
listeners: [{ name: l, pool: p }]
`);
  const { upstreams: _, sending, resilience, health, ...rest } = pools[0]!;
  // Neither the second pause nor the second ejection is ever shorter than the first.
  assert.deepEqual(sending, {
    ...{ connectMs: 1, firstByteMs: 2, idleMs: 3, totalMs: 4, attempts: 4, backoff: { baseMs: 3000, maxMs: 3000 } },
    ...{ preserveHost: true, tunnelIdleMs: 7000, maxTunnels: 8 },
  });
  assert.deepEqual(resilience, {
    ...{ panic: "fail", panicThreshold: 0.1, slowStartMs: 0 },
    weights: {
      ...{ baseMultiplier: 2, dynamicMultiplier: 3, alphaInitial: 0.4, alphaStep: 0.05 },
      ...{ fastHalfLifeMs: 1000, slowHalfLifeMs: 60_000, failurePenaltyMs: 6000 },
    },
    outliers: {
      ...{ failureRatio: 0.7, windowMs: 8000, minVolume: 9, ejectionMs: 600_000, maxEjectionMs: 600_000 },
      ...{ maxEjected: 0.11, halfOpenSuccesses: 12 },
    },
    retryBudget: { share: 0.5, floor: 13 },
    hedge: { after: { delayMs: 300 }, maxExtra: 0.02 },
  });
  assert.deepEqual(health, {
    ...{ enabled: false, method: "HEAD", path: "/h?x", fields: { accept: "*/*" }, status: [[200, 200], [300, 399]] },
    check: { contains: "ok", intervalMs: 10_000, unhealthyIntervalMs: 2000, timeoutMs: 1000, rise: 3, fall: 4 },
    maxFailures: 6,
  });
  assert.deepEqual(rest, {
    ...{ name: "p", type: "custom", strategy: "round-robin", apiKeys: [], keyMode: "pass", imageAccept: "named" },
    keyLimits: { per: "key", maxPerSecond: 2.5, burst: 1 },
    changeFeed: null,
    contentTypes: { allow: ["image/*"], deny: ["text/html"], verify: ["application/json"] },
    ...{ forwarded: "both", upgrade: ["websocket"], traceContext: false },
  });
});

Deno.test("poolOf() takes the short forms", async () => {
  const { pools } = await configOf(`
pools:
  a: { type: tmdb-api, upstreams: [https://one.example], health: false, key_limits: false }
  b: { type: custom, upstreams: [https://one.example], health: { status: 204 }, hedge: {} }
listeners: [{ name: a, pool: a }, { name: b, prefix: /b, pool: b }]
`);
  assert.deepEqual(pools.map(({ health }) => [health.enabled, health.status]), [[false, null], [true, [[204, 204]]]]);
  assert.equal(pools[0]!.keyLimits, null);
  assert.deepEqual(pools[1]!.resilience.hedge, { after: "p95", maxExtra: 0.05 });
});

Deno.test("poolSection takes only names of types and strategies that there are", async () => {
  for (const pool of ["type: other", "type: custom, strategy: other"]) {
    const text = `pools: { a: { ${pool}, upstreams: [https://one.example] } }\nlisteners: [{ name: a, pool: a }]\n`;
    const [line, ...others] = await problemsOf(text);
    assert.match(line ?? "", /found "other" expected one of /);
    assert.deepEqual(others, []);
  }
});

const KEY = "0123456789abcdef0123456789abcdef";

/** A file with one pool that has these lines. */
function withPool(lines: string): string {
  return `listeners: [{ name: a, pool: a }]\npools:\n  a:\n    ${lines.split("\n").join("\n    ")}\n`;
}

Deno.test("checkPool() takes API keys from a page with all that sticks to them, drops empty ones", async () => {
  const keys = JSON.stringify([`\u200b ${KEY}\ufeff `, "", "${NONE:-}", "${KEY}"]);
  const config = await configOf(withPool(`type: tmdb-api\nupstreams: [https://a.example]\napi_keys: ${keys}`), {
    env: { KEY: "Bearer eyJ.b.c" },
  });
  assert.deepEqual(config.pools[0]?.apiKeys, [KEY, "eyJ.b.c"]);
});

Deno.test("checkPool() refuses unusable API keys without showing them", async () => {
  const text = withPool(
    `type: tmdb-api\nupstreams: [https://a.example]\napi_keys: ["hunter2", "\${KEY}", "hunter\${KEY}", 1234567]`,
  );
  const lines = await problemsOf(text, { env: { KEY: "hunter3" } });
  assert.equal(lines.length, 4);
  assert.match(
    lines[0] ?? "",
    /^6:16 pools\.a\.api_keys\[0\]: found a value that is not shown expected a TMDB API key/,
  );
  assert.match(lines[1] ?? "", /^6:27 pools\.a\.api_keys\[1\]: found \$\{KEY\} expected/);
  assert.match(lines[3] ?? "", /put quotes around it/);
  assert.doesNotMatch(lines.join("\n"), /hunter|1234567/);
});

Deno.test("checkPool() warns of a key that is one user's token", async () => {
  const tokenOf = (claims: unknown) => `eyJhbGciOiJIUzI1NiJ9.${btoa(JSON.stringify(claims)).replaceAll("=", "")}.c2ln`;
  const warned = (token: string) =>
    warningsOf(withPool(`type: tmdb-api\nupstreams: [https://a.example]\napi_keys: [${token}]`));
  const token = tokenOf({ sub: "user", scopes: ["api_read", "api_write"] });
  const [warning] = await warned(token);
  for (const claims of [{ scopes: ["api_read"] }, {}, null, 5]) {
    assert.deepEqual(await warned(tokenOf(claims)), [], JSON.stringify(claims));
  }
  assert.match(warning ?? "", /^6:16 pools\.a\.api_keys\[0\]: this token may do more than read/);
  assert.ok(!warning!.includes(token));
});

Deno.test("checkPool() refuses API keys on a type that takes none", async () => {
  const lines = await problemsOf(withPool(`type: custom\nupstreams: [https://a.example]\napi_keys: [${KEY}]`));
  assert.deepEqual(lines, ['6:5 pools.a.api_keys: found api_keys expected none on a pool of type "custom"']);
  const empty = withPool('type: custom\nupstreams: [https://a.example]\napi_keys: ["${NONE:-}"]');
  assert.deepEqual(await problemsOf(empty), []);
});

Deno.test("checkPool() takes API keys on both TMDB types, and looks at their form", async () => {
  for (const type of ["tmdb-api", "tmdb-image"]) {
    const pool = (key: string) => withPool(`type: ${type}\nupstreams: [https://a.example]\napi_keys: [${key}]`);
    assert.deepEqual(await problemsOf(pool(KEY)), [], type);
    const [problem] = await problemsOf(pool("hunter2"));
    assert.match(problem ?? "", /^6:16 pools\.a\.api_keys\[0\]: .* expected a TMDB API key/, type);
  }
});

Deno.test("checkPool() refuses the same upstream twice, however it is written", async () => {
  const text = withPool(`type: custom
upstreams:
  - https://A.example/
  - { url: "https://a.example:443", weight: 2 }
  - { url: https://a.example, resolve: 203.0.113.7 }
  - http://a.example`);
  assert.deepEqual(await problemsOf(text), [
    '7:16 pools.a.upstreams[1].url: found "https://a.example:443" expected an upstream that the pool does not have already (pools.a.upstreams[0] in line 6)',
  ]);
});

Deno.test("checkPool() wants a check to be shorter than its interval, and shrinks defaults", async () => {
  const pool = "type: custom\nupstreams: [https://a.example]\nhealth: ";
  assert.deepEqual(await problemsOf(withPool(`${pool}{ interval: 5s, timeout: 5s }`)), [
    '6:38 pools.a.health.timeout: found "5s" expected a duration shorter than health.interval ("5s")',
  ]);
  assert.match((await problemsOf(withPool(`${pool}{ timeout: 1m }`)))[0] ?? "", /\(30s, the default\)/);
  const config = await configOf(withPool(`${pool}{ interval: 1s }`));
  assert.deepEqual([config.pools[0]?.health.check.timeoutMs, config.pools[0]?.health.check.unhealthyIntervalMs], [
    500,
    1000,
  ]);
});

Deno.test("checkPool() warns of what has no effect", async () => {
  const text = withPool(
    `type: tmdb-api\nupstreams: [https://a.example]\nkey_mode: pass\napi_keys: [${KEY}, ${KEY}]`,
  ).replace("pools:", "pools:\n  unused: { type: custom, upstreams: [https://b.example] }");
  assert.deepEqual(await warningsOf(text), [
    "3:3 pools.unused: no listener uses this pool",
    "7:15 pools.a.key_mode: api_keys are not used with `key_mode: pass`",
    "8:50 pools.a.api_keys[1]: this key is in the list already",
  ]);
});

Deno.test("checkPool() refuses a check that its type would not have asked again and again", async () => {
  const text = withPool(
    "type: tmdb-api\nupstreams: [https://a.example]\nhealth: { path: /3/authentication/token/new }",
  );
  assert.deepEqual(await problemsOf(text), [
    '6:21 pools.a.health.path: found "/3/authentication/token/new" expected a path that can be asked for ' +
    "again and again: this one changes something",
  ]);
  assert.deepEqual(await problemsOf(text.replace("tmdb-api", "custom")), []);
});

Deno.test("checkPool() wants upgrades on the general type alone", async () => {
  const pool = (type: string, upgrade: string) =>
    withPool(`type: ${type}\nupstreams: [https://a.example]\nupgrade: ${upgrade}`);
  for (const type of ["tmdb-api", "tmdb-image"]) {
    assert.deepEqual(await problemsOf(pool(type, "[websocket]")), [
      `6:5 pools.a.upgrade: found upgrade expected none on a pool of type ${type}: only custom has upgrades`,
    ]);
    assert.deepEqual(await problemsOf(pool(type, "[]")), []);
  }
  assert.deepEqual(await problemsOf(pool("custom", "[websocket]")), []);
  assert.deepEqual(await problemsOf(pool("custom", "[WebSocket]")), [
    '6:15 pools.a.upgrade[0]: found "WebSocket" expected "websocket"; did you mean "websocket"?',
  ]);
  assert.match((await problemsOf(pool("custom", "[h2c]")))[0] ?? "", /^6:15 pools\.a\.upgrade\[0\]: found "h2c" exp/);
  assert.match(
    (await problemsOf(pool("custom", "true")))[0] ?? "",
    /^6:14 pools\.a\.upgrade: found true expected a list/,
  );
});

Deno.test("checkPool() holds the limits of tunnels within their bounds", async () => {
  const tunnels = (keys: string) => withPool(`type: custom\nupstreams: [https://a.example]\ntunnels: { ${keys} }`);
  const lines = await problemsOf(tunnels("idle: 999ms, max: 0"));
  assert.match(lines[0] ?? "", /^6:22 pools\.a\.tunnels\.idle: found "999ms" expected a duration .* from 1s to 1d$/);
  assert.match(lines[1] ?? "", /^6:34 pools\.a\.tunnels\.max: found 0 expected a whole number from 1 to 1000000$/);
  assert.match((await problemsOf(tunnels("idel: 1s")))[0] ?? "", /did you mean "idle"\?$/);
});

const MIXED_KEY = "0123456789abcdef0123456789ABCDEF";

Deno.test("cleanApiKey() takes white space and invisible characters away, wherever they are", () => {
  for (
    const text of [
      MIXED_KEY,
      ` ${MIXED_KEY}\n`,
      `\u200b${MIXED_KEY}\ufeff`,
      MIXED_KEY.replace("8", "\u00ad 8\u200d"),
      `\u2066${MIXED_KEY}\u2069`,
    ]
  ) {
    assert.equal(cleanApiKey(text), MIXED_KEY);
  }
  assert.equal(cleanApiKey("\u200b \n"), "");
});

Deno.test("cleanApiKey() takes away what stands before a key in examples", () => {
  for (const text of [`api_key=${MIXED_KEY}`, `Bearer ${MIXED_KEY}`, `\u200bbearer   ${MIXED_KEY} `]) {
    assert.equal(cleanApiKey(text), MIXED_KEY);
  }
});

function withFeed(feed: string): string {
  return `pools: { p: { type: tmdb-api, upstreams: [http://a.example], change_feed: ${feed} } }
listeners: [{ name: l, pool: p }]
`;
}

Deno.test("change_feed is off unless it is asked for, and may be a boolean", async () => {
  const feed = async (text: string) => (await configOf(withFeed(text))).pools[0]!.changeFeed;
  const usual = { intervalMs: 900_000, kinds: ["movie", "tv", "person"], ratePerSecond: 2, maxPages: 100 };
  assert.deepEqual(await feed("true"), usual);
  assert.deepEqual(await feed("{}"), usual);
  assert.equal(await feed("false"), null);
  assert.equal(await feed("{ enabled: false, interval: 1m }"), null);
  assert.deepEqual(await feed("{ interval: 1h, kinds: [tv, tv], rate: 5, max_pages: 3 }"), {
    intervalMs: 3_600_000,
    kinds: ["tv"],
    ratePerSecond: 5,
    maxPages: 3,
  });
});

Deno.test("change_feed is checked with its place in the withFeed", async () => {
  const lines = await problemsOf(withFeed("{ interval: 1s, kinds: [films], rate: 0, max_pages: 501 }"));
  assert.deepEqual(lines.map((line) => line.split(": ")[0]), [
    "1:87 pools.p.change_feed.interval",
    "1:99 pools.p.change_feed.kinds[0]",
    "1:113 pools.p.change_feed.rate",
    "1:127 pools.p.change_feed.max_pages",
  ]);
  assert.equal((await problemsOf(withFeed("{ kinds: [] }"))).length, 1);
});

function withKeyAnd(pool: string): string {
  return `pools:
  p: { upstreams: [http://a.example], ${pool} }
listeners: [{ name: l, pool: p }]
`;
}

Deno.test("checkChangeFeed() takes a change feed on TMDB's API only, with a key of the gateway's own", async () => {
  assert.deepEqual(await problemsOf(withKeyAnd(`type: tmdb-api, api_keys: [${KEY}], change_feed: true`)), []);
  assert.deepEqual(await warningsOf(withKeyAnd(`type: tmdb-api, api_keys: [${KEY}], change_feed: true`)), []);
  assert.deepEqual(await problemsOf(withKeyAnd("type: custom, change_feed: true")), [
    "2:53 pools.p.change_feed: found change_feed expected none on a pool of type custom: only tmdb-api lists its changes",
  ]);
  assert.deepEqual(await problemsOf(withKeyAnd("type: custom, change_feed: false")), []);
  const [line] = await problemsOf(withKeyAnd(`type: tmdb-api, key_mode: pass, change_feed: true`));
  assert.match(line ?? "", /^2:\d+ pools\.p\.change_feed: .*`key_mode: pass`/);
});
