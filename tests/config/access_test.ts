import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { tokenProblem } from "../../lib/config/access.ts";
import { tokenHash } from "../../lib/request/client_auth.ts";
import { parseCorsOrigin } from "../../lib/config/cors.ts";
import { configOf, problemsOf, warningsOf } from "./load_text.ts";

const TOKEN = "5f3c9a1e7b2d4068aa51c0de93b7f642";

Deno.test("keys about access are checked with their place in the file", async () => {
  const problems = await problemsOf(`pools: { p: { type: custom, upstreams: [https://one.example] } }
listeners:
  - name: l
    pool: p
    auth: { tokens: { tv: ${TOKEN}, "a b": ${TOKEN} }, bearer: 1, query: ["a=b"], path: x, max_failures: 0, heder: X }
    cors: { origins: [a], methods: [PURGE], request_fields: [" "], expose: x, max_age: 1y, credentials: maybe, mode: on }
`);
  assert.deepEqual(
    problems.map((problem) => problem.split(": ")[0]!.replace(/^\d+:\d+ listeners\[0\]\./, "")).sort(),
    [
      ...['auth.tokens["a b"]', "auth.bearer", "auth.query[0]", "auth.path", "auth.max_failures", "auth.heder"],
      ...["cors.origins[0]", "cors.methods[0]", "cors.request_fields[0]", "cors.expose", "cors.max_age"],
      ...["cors.credentials", "cors.mode"],
    ].sort(),
  );
});

Deno.test("auth takes a bounded number of clients, and of tokens of one", async () => {
  const file = (tokens: string) =>
    `pools: { p: { type: custom, upstreams: [https://one.example] } }
listeners: [{ name: l, pool: p, auth: { tokens: ${tokens} } }]`;
  const token = (place: number) => `0123456789abcdef${place}`;
  const clients = (count: number) => `{ ${Array.from({ length: count }, (_, place) => `c${place}: ${token(place)}`)} }`;
  assert.deepEqual(await problemsOf(file(clients(200))), []);
  assert.match((await problemsOf(file(clients(201))))[0]!, /at most 200 clients/);
  const many = `{ tv: [${Array.from({ length: 9 }, (_, place) => token(place))}] }`;
  assert.match((await problemsOf(file(many)))[0]!, /at most 8 items/);
});

Deno.test("cors takes a list of origins, and says which one is none", async () => {
  const file = (cors: string) =>
    `pools: { p: { type: custom, upstreams: [https://one.example] } }
listeners: [{ name: l, pool: p, cors: ${cors} }]`;
  assert.deepEqual(await problemsOf(file('[https://a.example, "https://*.b.example"]')), []);
  assert.match(
    (await problemsOf(file("[https://a.example, off]"))).join(),
    /^2:59 listeners\[0\]\.cors\[1\]: found "off"/,
  );
});

Deno.test("auth names the variable that stands where a mapping is wanted", async () => {
  const file = (auth: string) =>
    `pools: { p: { type: custom, upstreams: [https://one.example] } }
listeners: [{ name: l, pool: p, auth: ${auth} }]`;
  for (const [auth, path] of [['"${TOKEN:-x}"', "auth"], ['{ tokens: "${TOKEN:-x}" }', "auth.tokens"]] as const) {
    const problems = await problemsOf(file(auth));
    assert.equal(problems.length, 1, problems.join("\n"));
    assert.match(problems[0]!, new RegExp(`^2:\\d+ listeners\\[0\\]\\.${path}: found \\$\\{TOKEN.* a mapping`));
  }
});

async function listenerOf(keys: string, type = "custom") {
  const config = await configOf(`pools: { p: { type: ${type}, upstreams: [https://one.example] } }
listeners: [{ name: l, pool: p, ${keys} }]`);
  return { listener: config.listeners[0]!, text: JSON.stringify(config) };
}

Deno.test("authOf() keeps hashes of clean tokens, and nothing of the tokens themselves", async () => {
  const { listener, text } = await listenerOf(`auth: { tokens: { tv: ["${TOKEN} \u200b", ""] } }`);
  assert.deepEqual(listener.auth, {
    tokens: [{ client: "tv", sha256: createHash("sha256").update(TOKEN).digest("hex") }],
    header: "x-usher-token",
    bearer: true,
    query: ["usher_token", "api_key"],
    path: true,
    maxFailures: 20,
    sharedCaches: false,
  });
  assert.ok(!text.includes(TOKEN));
});

Deno.test("authOf() carries every key over", async () => {
  const { listener } = await listenerOf(
    `auth: { tokens: { tv: ${TOKEN} }, header: X-Key, bearer: false, query: [k, k], path: false, max_failures: 3, shared_caches: true }`,
  );
  const { tokens: _, ...rest } = listener.auth!;
  assert.deepEqual(rest, {
    ...{ header: "x-key", bearer: false, query: ["k"], path: false, maxFailures: 3, sharedCaches: true },
  });
});

Deno.test("corsOf() reads the short forms", async () => {
  const own = {
    mode: "own",
    origins: ["*"],
    methods: ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"],
    requestFields: null,
    expose: [],
    credentials: false,
    maxAgeSeconds: 86_400,
    privateNetwork: false,
  };
  const cors = async (keys: string) => (await listenerOf(keys)).listener.cors;
  assert.equal(await cors(""), null);
  assert.deepEqual(await cors('cors: "*"'), own);
  assert.deepEqual(await cors("cors: pass"), { mode: "pass" });
  assert.deepEqual(await cors("cors: off"), { ...own, origins: [] });
  assert.deepEqual(await cors("cors: https://A.example"), { ...own, origins: ["https://a.example"] });
  assert.deepEqual(await cors('cors: [https://A.example, "http://localhost:*"]'), {
    ...own,
    origins: ["https://a.example", "http://localhost:*"],
  });
});

Deno.test("corsOf() carries every key over", async () => {
  const { listener } = await listenerOf(
    `cors: { origins: [https://a.example, "https://*.b.example"], methods: [GET], request_fields: [X-A], expose: [X-B],
      credentials: true, max_age: 90s, private_network: true }`,
  );
  assert.deepEqual(listener.cors, {
    mode: "own",
    origins: ["https://a.example", "https://*.b.example"],
    methods: ["GET"],
    requestFields: ["X-A"],
    expose: ["X-B"],
    credentials: true,
    maxAgeSeconds: 90,
    privateNetwork: true,
  });
});

const OTHER = "e0d1c2b3a495867768594a3e2d1c6f0b";

/** A file with one listener that has these keys, in line 3. */
function file(keys: string): string {
  return `pools: { p: { type: tmdb-api, upstreams: [https://one.example], api_keys: [0123456789abcdef0123456789abcdee] } }
listeners:
  - { name: l, pool: p, ${keys} }
`;
}

Deno.test("checkAuth() finds every token that is no good, by its place, and shows none", async () => {
  const problems = await problemsOf(file(
    `auth: { tokens: { a: tooshort, b: [${TOKEN}, 0123456789abcdef0123456789abcdee, "\u200b"], c: ${TOKEN} }, header: Cookie }`,
  ));
  assert.deepEqual(problems.map((problem) => problem.replace(/ expected .*/, "")), [
    "3:46 listeners[0].auth.tokens.a: found a value that is not shown",
    "3:94 listeners[0].auth.tokens.b[1]: found a value that is not shown",
    "3:137 listeners[0].auth.tokens.c: found a value that is not shown",
    '3:181 listeners[0].auth.header: found "Cookie"',
  ]);
  assert.match(problems[1]!, /not one of a pool's api_keys/);
  assert.match(problems[2]!, /a token of its own \(b has it too\)/);
});

Deno.test("checkAuth() takes no field for tokens that says something else, or that proxies add to", async () => {
  for (const name of ["Authorization", "X-Forwarded-For", "range", "Origin", "Connection"]) {
    const problems = await problemsOf(file(`auth: { tokens: { a: ${TOKEN} }, header: ${name} }`));
    assert.match(
      problems.join(),
      /^3:\d+ listeners\[0\]\.auth\.header: found [^,]* expected a field that has no meaning/,
    );
  }
});

Deno.test("checkAuth() never leaves open what was meant to be closed", async () => {
  const unset = [
    `auth: { tokens: { a: "\${TOKEN:-}" } }`,
    "auth: { tokens: {} }",
    `auth: { tokens: { a: ["\${TOKEN:-}"] } }`,
  ];
  for (const keys of ["auth:", "auth: {}", ...unset]) {
    const problems = await problemsOf(file(keys));
    assert.equal(problems.length, 1, keys);
    assert.match(problems[0]!, /^3:\d+ listeners\[0\]\.auth/);
  }
});

Deno.test("checkAuth() shows no token that stands in a wrong place", async () => {
  for (const keys of [`auth: ${TOKEN}`, `auth: { tokens: ${TOKEN} }`, `auth: { tokens: [${TOKEN}] }`]) {
    const problems = await problemsOf(file(keys));
    assert.equal(problems.length, 1, keys);
    assert.ok(!problems[0]!.includes(TOKEN), keys);
  }
});

Deno.test("checkAuth() cleans tokens of what sticks to them, and takes several of a client", async () => {
  const tokens = `{ a: " ${TOKEN}\u200b ", b: [${OTHER}, "\${OLD:-}"], "c.d-e_1": "0123456789-._~abcdef" }`;
  assert.deepEqual(await problemsOf(file(`auth: { tokens: ${tokens} }, rate_limit: { requests: 1, by: client }`)), []);
});

Deno.test("checkAuth() wants names where limits go by them", async () => {
  const problems = await problemsOf(file("rate_limit: { requests: 1, by: client }"));
  assert.deepEqual(problems, [
    '3:56 listeners[0].rate_limit.by: found "client" expected ip or header, because the listener has no `auth` with names of clients',
  ]);
});

Deno.test("checkAuth() refuses credentials for all pages, and what is no origin", async () => {
  const all = await problemsOf(file("cors: { credentials: true }"));
  assert.match(all[0]!, /^3:46 listeners\[0\]\.cors\.credentials: found true expected false, or a list of `origins`/);
  assert.deepEqual(await problemsOf(file("cors: { credentials: true, origins: https://a.example }")), []);
  assert.match(
    (await problemsOf(file("cors: of")))[0]!,
    /^3:31 listeners\[0\]\.cors: found "of" expected "\*", or an origin/,
  );
  assert.match((await problemsOf(file(`cors: { origins: [null, "x"] }`)))[0]!, /listeners\[0\]\.cors\.origins\[0\]/);
});

Deno.test("checkAuth() warns of keys that have no effect", async () => {
  const warnings = await warningsOf(file("cors: { mode: off, origins: [https://a.example] }"));
  assert.deepEqual(warnings, ["3:39 listeners[0].cors.mode: the other keys are not used with `mode: off`"]);
});

Deno.test("checkAuth() warns of limits that go by a field which tokens are taken out of", async () => {
  const limited = (rest: string) =>
    warningsOf(file(`auth: { tokens: { a: ${TOKEN} }${rest} }, rate_limit: { requests: 1, by: header }`));
  assert.match((await limited(""))[0]!, /^3:\d+ listeners\[0\]\.rate_limit\.by: tokens are taken out of this field/);
  assert.deepEqual(await limited(", bearer: false"), []);
});

Deno.test("tokenProblem() takes random tokens of plain characters, such as tools print", () => {
  for (let turn = 0; turn < 200; turn++) {
    const bytes = crypto.getRandomValues(new Uint8Array(16));
    const hex = [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
    const base64url = btoa(String.fromCharCode(...bytes)).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
    for (const token of [hex, base64url, crypto.randomUUID()]) assert.equal(tokenProblem(token), null, token);
  }
});

Deno.test("tokenProblem() refuses what is short, long, easily guessed, or needs escapes", () => {
  const bad: ReadonlyArray<readonly [token: string, problem: RegExp]> = [
    ["", /16 to 256/],
    ["0123456789abcde", /16 to 256/],
    ["0123456789abcdef".repeat(17), /16 to 256/],
    ["0123456789abcde/", /letters, digits/],
    ["0123456789abcde ", /letters, digits/],
    ["0123456789abcdé=", /letters, digits/],
    ["aaaaaaaaaaaaaaaaaaaa", /random/],
    ["ababababcdcdcdcd", /random/],
    ["changemechangeme", /random/],
    ["0123456701234567", /random/],
  ];
  for (const [token, problem] of bad) assert.match(tokenProblem(token) ?? "", problem, token);
});

Deno.test("tokenHash() is SHA-256 in hexadecimal", () => {
  assert.equal(tokenHash("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
});

Deno.test("parseCorsOrigin() writes origins as browsers do", () => {
  const cases: ReadonlyArray<readonly [string, string]> = [
    ["*", "*"],
    ["https://App.Example", "https://app.example"],
    ["http://app.example:80", "http://app.example"],
    ["http://app.example:443", "http://app.example:443"],
    ["https://bücher.example", "https://xn--bcher-kva.example"],
    ["http://192.0.2.7:8096", "http://192.0.2.7:8096"],
    ["http://[2001:DB8::1]:8096", "http://[2001:db8::1]:8096"],
    ["https://*.home.example", "https://*.home.example"],
    ["http://localhost:*", "http://localhost:*"],
    ["capacitor://localhost", "capacitor://localhost"],
    ["moz-extension://3f2504e0-4f89", "moz-extension://3f2504e0-4f89"],
  ];
  for (const [text, origin] of cases) assert.equal(parseCorsOrigin(text), origin, text);
});

Deno.test("parseCorsOrigin() refuses what browsers never send", () => {
  const bad = [
    ...[
      "",
      "null",
      "app.example",
      "https://",
      "https://app.example/",
      "https://app.example?x",
      "https://user@app.example",
    ],
    ...[
      "https://*",
      "https://a.*.example",
      "https://**.example",
      "https://app.example:99999",
      "https://app example",
      "**",
    ],
  ];
  for (const text of bad) assert.equal(parseCorsOrigin(text), null, text);
});

Deno.test("limitsOf() says what each key means, and saves as much as is allowed where nothing is said", async () => {
  const config = await configOf(`
pools: { p: { type: custom, upstreams: [https://one.example] } }
listeners:
  - { name: a, prefix: /a, pool: p, max_in_flight: 5, queue: { size: 6, timeout: 7s },
      rate_limit: { requests: 8, per: 1m, burst: 9, by: header, header: X-Key, ipv4_prefix: 24, ipv6_prefix: 56 } }
  - { name: b, prefix: /b, pool: p, rate_limit: { requests: 10 } }
  - { name: c, prefix: /c, pool: p, rate_limit: { bytes: 50MiB, per: 2s }, pace: 5MiB }
`);
  assert.deepEqual(config.listeners.map(({ limits }) => limits), [
    {
      admission: { maxInFlight: 5, queueSize: 6, queueTimeoutMs: 7000 },
      rate: { requests: 8, perMs: 60_000, burst: 9, header: "x-key", ipv4Prefix: 24, ipv6Prefix: 56 },
      ...{ byteRate: null, paceBytes: null },
    },
    {
      admission: null,
      rate: { requests: 10, perMs: 1000, burst: 10, header: null, ipv4Prefix: 32, ipv6Prefix: 64 },
      ...{ byteRate: null, paceBytes: null },
    },
    {
      ...{ admission: null, rate: null, paceBytes: 5 << 20 },
      byteRate: { bytes: 50 << 20, perMs: 2000, header: null, ipv4Prefix: 32, ipv6Prefix: 64 },
    },
  ]);
});

Deno.test("resilience keys are checked with their place in the file", async () => {
  const problems = await problemsOf(`pools:
  p: { type: custom, upstreams: [{ url: https://one.example, max_rps: 0 }], hedge: { after: soon }, panic: hide }
listeners:
  - { name: l, pool: p, rate_limit: { per: 1s }, queue: { size: -1 }, offline: maybe }
`);
  assert.deepEqual(
    problems.map((problem) => problem.split(": ")[0]).sort(),
    [
      "2:71 pools.p.upstreams[0].max_rps",
      "2:93 pools.p.hedge.after",
      "2:108 pools.p.panic",
      "4:37 listeners[0].rate_limit",
      "4:65 listeners[0].queue.size",
      "4:80 listeners[0].offline",
    ].sort(),
  );
});

Deno.test("a rate is of requests, of bytes, or of both", async () => {
  const withRate = (rate: string) =>
    `pools: { p: { type: custom, upstreams: [https://one.example] } }
listeners: [{ name: l, pool: p, rate_limit: ${rate} }]
`;
  assert.match((await problemsOf(withRate("{ per: 1s }")))[0]!, /expected requests, bytes or both/);
  assert.deepEqual(await problemsOf(withRate("{ bytes: 1MiB }")), []);
  const { limits } = (await configOf(withRate("{ requests: 5, bytes: 1MiB, by: header }"))).listeners[0]!;
  assert.deepEqual([limits.rate?.header, limits.byteRate?.header], ["authorization", "authorization"]);
});
