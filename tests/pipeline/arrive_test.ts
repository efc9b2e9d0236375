import assert from "node:assert/strict";
import { demoApiKey, startTmdbOrigin } from "../origins/tmdb_origin.ts";
import {
  type AskOptions,
  configFor,
  type InProcessGateway,
  plainParts,
  plainPool,
  withGateway,
  withOrigin,
} from "./in_process_gateway.ts";

const KODI = "5f3c9a1e7b2d4068aa51c0de93b7f642";
const TV_OLD = "0b6f1c2d3e4a5968778695a4b3c2d1e0";
const TV_NEW = "e0d1c2b3a495867768594a3e2d1c6f0b";
const TOKENS = { kodi: KODI, tv: [TV_OLD, TV_NEW] };

function bearer(token: string): AskOptions {
  return { headers: { authorization: `Bearer ${token}` } };
}

/** A closed TMDB listener over the demo origin, an open one beside it. */
async function closedTmdb(
  run: (gateway: InProcessGateway, sent: () => string[]) => Promise<void>,
  auth: Readonly<Record<string, unknown>> = {},
): Promise<void> {
  const origin = await startTmdbOrigin();
  const sent = () => origin.requests.map(({ method, target }) => `${method} ${target}`);
  try {
    await withGateway({
      pools: {
        api: { type: "tmdb-api", health: false, api_keys: [demoApiKey], upstreams: [origin.url] },
        images: { type: "tmdb-image", health: false, upstreams: [origin.url] },
      },
      listeners: [
        { name: "l", prefix: "/3", pool: "api", auth: { tokens: TOKENS, ...auth } },
        { name: "images", prefix: "/t/p", pool: "images" },
      ],
    }, (gateway) => run(gateway, sent));
  } finally {
    await origin.close();
  }
}

Deno.test("admit() answers 401 as TMDB does without a token, and asks neither store nor upstream", () =>
  closedTmdb(async ({ ask, gateway, access }, sent) => {
    assert.equal((await ask("/3/movie/603", bearer(KODI))).status, 200);
    const before = sent().length;
    for (const options of [{}, bearer("x".repeat(40)), { headers: { "x-usher-token": KODI.slice(1) } }]) {
      const refused = await ask("/3/movie/603", options);
      assert.equal(refused.status, 401);
      assert.deepEqual([JSON.parse(refused.text).success, JSON.parse(refused.text).status_code], [false, 7]);
      assert.equal(refused.headers.get("www-authenticate"), 'Bearer realm="usher"');
      assert.equal(refused.headers.get("cache-control"), "no-store");
      assert.equal(refused.headers.get("access-control-allow-origin"), "*");
      assert.doesNotMatch(refused.cacheStatus, /hit/);
    }
    assert.equal(sent().length, before);
    const counts = gateway.counts.listeners["l"]!;
    assert.deepEqual([counts.unauthorized, counts.authBlocked, { ...counts.clients }], [3, 0, { kodi: 1 }]);
    assert.deepEqual(access().map((line) => line["client_name"]), ["kodi", undefined, undefined, undefined]);
  }));

Deno.test("admit() lets every form of a token in; all share one stored response, and no upstream sees it", () =>
  closedTmdb(async ({ ask, lines, gateway }, sent) => {
    const forms: [string, AskOptions?][] = [
      ["/3/movie/603?language=de", bearer(KODI)],
      ["/3/movie/603?language=de", { headers: { "x-usher-token": TV_OLD } }],
      [`/3/movie/603?api_key=${TV_NEW}&language=de`],
      [`/3/movie/603?language=de&usher_token=${KODI}`],
      [`/~${KODI}/3/movie/603?language=de`],
    ];
    for (const [index, [target, options]] of forms.entries()) {
      const answer = await ask(target, options);
      assert.equal(answer.status, 200, target);
      assert.match(answer.cacheStatus, index === 0 ? /stored/ : /hit/);
      assert.equal(answer.headers.get("cache-control")!.startsWith("private, max-age="), true);
    }
    assert.deepEqual(sent(), [`GET /3/movie/603?language=de&api_key=${demoApiKey}`]);
    assert.deepEqual({ ...gateway.counts.listeners["l"]!.clients }, { kodi: 3, tv: 2 });
    for (const token of [KODI, TV_OLD, TV_NEW]) assert.ok(!JSON.stringify(lines).includes(token));
  }));

Deno.test("admit() lets preflights pass without a token", () =>
  closedTmdb(async ({ ask }, sent) => {
    const preflight = (fields: Readonly<Record<string, string>>) =>
      ask("/3/movie/603", { method: "OPTIONS", headers: { origin: "https://page.example", ...fields } });
    const asked = "authorization, x-usher-token";
    const answer = await preflight({
      "access-control-request-method": "GET",
      "access-control-request-headers": asked,
    });
    assert.deepEqual([answer.status, answer.headers.get("access-control-allow-headers")], [204, asked]);
    assert.equal((await preflight({})).status, 401);
    assert.deepEqual(sent(), []);
  }));

Deno.test("admit() answers 429 to an address that tries many tokens, for a while, and to nobody else", () =>
  closedTmdb(async ({ ask, clock, gateway }) => {
    const guess = (token: string, from = "192.0.2.9") => ask("/3/movie/603", { ...bearer(token), from });
    const statuses = [];
    for (const token of ["one", "one", "two", "three", "four", "four"]) statuses.push((await guess(token)).status);
    assert.deepEqual(statuses, [401, 401, 401, 401, 429, 429]);
    const blocked = await guess(KODI);
    assert.equal(blocked.status, 429);
    assert.equal(JSON.parse(blocked.text).status_code, 25);
    assert.equal(blocked.headers.get("retry-after"), "20");
    assert.equal((await guess(KODI, "192.0.2.10")).status, 200);
    assert.equal((await ask("/3/movie/603")).status, 401, "who shows nothing guesses nothing");
    assert.equal(gateway.counts.listeners["l"]!.authBlocked, 3);
    clock.advance(20_000);
    assert.equal((await guess(KODI)).status, 200);
  }, { max_failures: 3 }));

Deno.test("admit() counts each wrong token of a request that shows several", () =>
  closedTmdb(async ({ ask }) => {
    const query = (tokens: readonly string[]) => tokens.map((token) => `api_key=${token}`).join("&");
    assert.equal((await ask(`/3/movie/603?${query(["one", "two"])}`)).status, 401);
    assert.equal((await ask(`/3/movie/603?${query(["three"])}`)).status, 401);
    assert.equal((await ask(`/3/movie/603?${query(["four"])}`)).status, 429);
  }, { max_failures: 3 }));

Deno.test("admit() serves an open listener behind a token too, and shows that nowhere", () =>
  closedTmdb(async ({ ask, send, lines }, sent) => {
    const image = await send(`/~${KODI}/t/p/w92/poster.jpg`, { headers: { "x-original-uri": `/~${KODI}/t/p` } });
    await image.body?.cancel();
    assert.deepEqual(sent(), ["GET /t/p/w92/poster.jpg"]);
    const nothing = await ask(`/~${KODI}/nothing`);
    assert.equal(nothing.status, 404);
    assert.ok(!nothing.text.includes(KODI));
    assert.ok(!JSON.stringify(lines).includes(KODI));
  }));

Deno.test("admit() keeps user requests private, with the client's own session and the pool's key", () =>
  closedTmdb(async ({ ask }, sent) => {
    const target = `/3/account/1?session_id=s1&api_key=${KODI}`;
    const first = await ask(target);
    const second = await ask(target);
    assert.equal(first.headers.get("cache-control"), "private, no-store");
    assert.doesNotMatch(second.cacheStatus, /hit/);
    assert.deepEqual(sent(), Array(2).fill(`GET /3/account/1?session_id=s1&api_key=${demoApiKey}`));
  }));

Deno.test("admit() closes custom listeners with problem details, and tells them nothing of the token", () =>
  withOrigin(
    (exchange) => exchange.reply({ fields: [["cache-control", "public, max-age=60, s-maxage=90"]], body: "x" }),
    async ({ ask }, origin) => {
      const refused = await ask("/a?x=1");
      assert.equal(refused.status, 401);
      assert.equal(refused.headers.get("content-type"), "application/problem+json");
      assert.equal(JSON.parse(refused.text).code, "unauthorized");
      const fields = { "x-usher-token": KODI, "referer": "http://gateway.test/", "x-original-url": `/~${KODI}/a` };
      const allowed = await ask("/a?x=1", { headers: fields });
      assert.equal(allowed.headers.get("cache-control"), "private, max-age=60");
      const again = await ask(`/~${TV_NEW}/a?x=1`);
      assert.match(again.cacheStatus, /hit/);
      assert.equal(again.headers.get("cache-control"), "private, max-age=60");
      assert.equal(origin.heads.length, 1);
      const sent = origin.heads[0]!;
      assert.equal(sent.target, "/a?x=1");
      assert.ok(!JSON.stringify(sent.fields).includes(KODI));
      assert.ok(!sent.fields.some(([name]) => name === "referer" || name === "x-usher-token"));
    },
    { listeners: [{ name: "l", pool: "p", auth: { tokens: TOKENS } }] },
  ));

Deno.test("admit() changes the tokens with a reload, at once", () =>
  withOrigin((exchange) => exchange.reply({ body: "x" }), async ({ ask, gateway }, origin) => {
    assert.equal((await ask("/a", bearer(TV_OLD))).status, 200);
    const listener = (tokens: unknown) => [{ name: "l", pool: "p", auth: { tokens } }];
    const pool = { type: "custom", health: false, upstreams: [origin.url] };
    const config = await configFor({ pools: { p: pool }, listeners: listener({ tv: TV_NEW }) });
    gateway.commit(gateway.prepare(config, 2));
    assert.equal((await ask("/a", bearer(TV_OLD))).status, 401);
    assert.equal((await ask("/a", bearer(TV_NEW))).status, 200);
  }, { listeners: [{ name: "l", pool: "p", auth: { tokens: TOKENS } }] }));

Deno.test("admit() leads clients to closed images by their own token only, and keeps no document that holds one", async () => {
  const origin = await startTmdbOrigin();
  try {
    await withGateway({
      pools: {
        api: { type: "tmdb-api", health: false, api_keys: [demoApiKey], upstreams: [origin.url] },
        images: { type: "tmdb-image", health: false, upstreams: [origin.url] },
      },
      listeners: [
        { name: "l", prefix: "/3", pool: "api", auth: { tokens: TOKENS } },
        { name: "images", prefix: "/t/p", pool: "images", auth: { tokens: TOKENS } },
      ],
    }, async ({ ask, gateway }) => {
      const base = async (target: string, options?: AskOptions) => {
        const answer = await ask(target, options);
        assert.equal(answer.headers.get("content-length"), String(new TextEncoder().encode(answer.text).byteLength));
        return JSON.parse(answer.text).images.base_url;
      };
      for (const token of [KODI, TV_OLD, KODI]) {
        assert.equal(await base(`/~${token}/3/configuration`), `http://gateway.test/~${token}/t/p/`);
      }
      assert.equal(await base("/3/configuration", bearer(KODI)), "http://gateway.test/t/p/");
      assert.equal(origin.count("/3/configuration"), 1);
      const images = await ask(`/~${KODI}/t/p/w92/poster.jpg`);
      assert.notEqual(images.status, 401);
      assert.equal((await ask("/t/p/w92/poster.jpg")).status, 401);
      assert.equal(gateway.counts.listeners["images"]!.unauthorized, 1);
    });
  } finally {
    await origin.close();
  }
});

Deno.test("admit() has no part in an address where nobody takes tokens before the path; they show nowhere all the same", () =>
  withOrigin((exchange) => exchange.reply({ body: "x" }), async ({ ask, lines }) => {
    assert.equal((await ask(`/~${KODI}/a`)).status, 404);
    const refused = await ask(`/a/~${KODI}/b`);
    assert.equal(refused.status, 401);
    assert.ok(!JSON.stringify([lines, refused.text, (await ask(`/~${KODI}/a`)).text]).includes(KODI));
  }, { listeners: [{ name: "l", prefix: "/a", pool: "p", auth: { tokens: TOKENS, path: false } }] }));

Deno.test("admit() takes a token in the field where one before the path does not count, and shows neither to the upstream", () =>
  withOrigin((exchange) => exchange.reply({ body: "x" }), async ({ ask }, origin) => {
    for (const inPath of [KODI, TV_NEW, "of-some-other-listener"]) {
      const headers = { "x-usher-token": KODI, "x-original-url": `/~${inPath}/b/${inPath}` };
      assert.equal((await ask(`/~${inPath}/b/${inPath.length}`, { headers })).status, 200);
      assert.ok(!JSON.stringify(origin.heads.at(-1)).includes(inPath));
    }
  }, {
    listeners: [
      { name: "l", prefix: "/a", pool: "p", auth: { tokens: TOKENS } },
      { name: "b", prefix: "/b", pool: "p", auth: { tokens: TOKENS, path: false } },
    ],
  }));

Deno.test("admit() is not asked on an open listener, and yet no upstream gets a token from there", () =>
  withOrigin(
    (exchange) => exchange.reply({ body: "x" }),
    async ({ ask }, origin) => {
      const headers = { "x-usher-token": KODI, "authorization": `Bearer ${TV_NEW}` };
      assert.equal((await ask("/open/a", { headers })).status, 200);
      assert.equal(
        (await ask("/open/b", { headers: { ...headers, "x-usher-token": "a key of another kind" } })).status,
        200,
      );
      const twice = { "x-usher-token": `${KODI}, ${TV_NEW}`, "referer": `http://gateway.test/~${KODI}/page?a=1` };
      assert.equal((await ask("/open/c", { headers: twice })).status, 200);
      assert.equal((await ask("/open/d", { headers: { referer: "http://gateway.test/page?a=1" } })).status, 200);
      const names = ["x-usher-token", "authorization", "referer"];
      const sent = origin.heads.map(({ fields }) => fields.filter(([name]) => names.includes(name)));
      assert.deepEqual(sent, [[], [["x-usher-token", "a key of another kind"]], [], [[
        "referer",
        "http://gateway.test/page?a=1",
      ]]]);
    },
    {
      listeners: [
        { name: "l", prefix: "/closed", pool: "p", auth: { tokens: TOKENS } },
        { name: "open", prefix: "/open", pool: "p" },
      ],
    },
  ));

Deno.test("admit() takes another gateway whose key is a token, which then stores for its own clients", () =>
  closedTmdb(async (parent, sent) => {
    const url = await parent.serve();
    await withGateway({
      instanceId: "usher-child",
      pools: { api: { type: "tmdb-api", health: false, api_keys: [KODI], upstreams: [{ url, usher: true }] } },
      listeners: [{ name: "l", prefix: "/3", pool: "api" }],
    }, async (child) => {
      assert.equal((await child.ask("/3/movie/603")).status, 200);
      assert.match((await child.ask("/3/movie/603")).cacheStatus, /hit/);
      assert.deepEqual({ ...parent.gateway.counts.listeners["l"]!.clients }, { kodi: 1 });
      assert.deepEqual(sent(), [`GET /3/movie/603?api_key=${demoApiKey}`]);
    });
  }, { shared_caches: true }));

const PREFLIGHT = {
  method: "OPTIONS",
  headers: {
    "origin": "https://page.example",
    "access-control-request-method": "POST",
    "access-control-request-headers": "authorization, content-type",
  },
};

Deno.test("preflightAnswer() answers browsers on TMDB listeners without asking the upstream", () =>
  withOrigin((exchange) => exchange.reply({ body: "{}" }), async (_, origin) => {
    const pool = { type: "tmdb-api", health: false, upstreams: [origin.url] };
    await withGateway(plainParts([origin.url], { pools: { p: pool } }), async ({ ask }) => {
      const { status, headers } = await ask("/3/movie/550/rating", PREFLIGHT);
      assert.equal(status, 204);
      assert.equal(headers.get("access-control-allow-origin"), "*");
      assert.match(headers.get("access-control-allow-methods") ?? "", /POST/);
      assert.equal(headers.get("access-control-allow-headers"), "authorization, content-type");
      const bad = { ...PREFLIGHT, headers: { ...PREFLIGHT.headers, "access-control-request-headers": "a; b" } };
      assert.equal((await ask("/3/movie/550", bad)).headers.get("access-control-allow-headers"), null);
      assert.equal(origin.heads.length, 0);
    });
  }));

Deno.test("isPreflight() leaves OPTIONS to the upstream on custom listeners, and where nobody asks for leave", () =>
  withOrigin((exchange) => exchange.reply({ status: 200, body: "mine" }), async ({ ask }, origin) => {
    assert.equal((await ask("/a", PREFLIGHT)).text, "mine");
    assert.equal((await ask("/a", { method: "OPTIONS" })).text, "mine");
    assert.equal(origin.heads.length, 2);
  }));

Deno.test("preflightAnswer() answers by the listener's policy, with a listener that is off too", () =>
  withOrigin((exchange) => exchange.reply({ body: "mine" }), async (_, origin) => {
    const listener = (name: string, cors: unknown) => ({ name, prefix: `/${name}`, pool: "p", cors });
    const listed = { origins: ["https://page.example"], methods: ["GET", "POST"], max_age: "1m" };
    const listeners = [listener("listed", listed), listener("off", "off"), listener("other", "https://x.example")];
    await withGateway(plainParts([origin.url], { listeners }), async ({ ask }) => {
      const yes = await ask("/listed/a", PREFLIGHT);
      assert.equal(yes.status, 204);
      assert.equal(yes.headers.get("access-control-allow-origin"), "https://page.example");
      assert.equal(yes.headers.get("access-control-allow-methods"), "GET, POST");
      assert.equal(yes.headers.get("access-control-max-age"), "60");
      assert.equal(yes.headers.get("vary"), "Origin, Access-Control-Request-Headers");
      for (const path of ["/off/a", "/other/a"]) {
        const no = await ask(path, PREFLIGHT);
        assert.equal(no.status, 204);
        assert.equal(no.headers.get("access-control-allow-origin"), null);
        assert.equal(no.headers.get("access-control-allow-methods"), null);
      }
      assert.equal(origin.heads.length, 0);
    });
  }));

function limited(rate: Readonly<Record<string, unknown>>) {
  return { listeners: [{ name: "l", pool: "p", rate_limit: rate }] };
}

Deno.test("admit() answers 429 over the limit, hits included, and says how the quota stands", () =>
  withOrigin(
    (exchange) => exchange.reply({ fields: [["cache-control", "max-age=60"]], body: "x" }),
    async ({ ask, clock, gateway }, origin) => {
      const answers = [];
      for (let turn = 0; turn < 3; turn++) answers.push(await ask("/a"));
      assert.deepEqual(answers.map(({ status }) => status), [200, 200, 429]);
      assert.match(answers[1]!.cacheStatus, /hit/);
      assert.deepEqual(answers.map(({ headers }) => headers.get("ratelimit")), [
        '"default";r=1;t=30',
        '"default";r=0;t=60',
        '"default";r=0;t=30',
      ]);
      assert.equal(answers[2]!.headers.get("ratelimit-policy"), '"default";q=2;w=60');
      assert.equal(answers[2]!.headers.get("retry-after"), "30");
      assert.equal(answers[2]!.headers.get("content-type"), "application/problem+json");
      for (const { headers } of answers) assert.ok(![...headers.keys()].some((name) => name.startsWith("x-ratelimit")));
      assert.equal(origin.heads.length, 1);
      assert.equal(gateway.counts.listeners["l"]!.rateLimited, 1);
      assert.equal((await ask("/a", { from: "192.0.2.77" })).status, 200, "another client");
      clock.advance(30_000);
      assert.equal((await ask("/a")).status, 200);
    },
    limited({ requests: 2, per: "1m" }),
  ));

Deno.test("admit() says nothing where clients are not limited", () =>
  withOrigin((exchange) => exchange.reply({ body: "x" }), async ({ ask }) => {
    const { headers } = await ask("/a");
    assert.equal(headers.get("ratelimit"), null);
    assert.equal(headers.get("ratelimit-policy"), null);
  }));

Deno.test("admit() goes by what a trusted proxy says of the client, and by nobody else's word", () =>
  withOrigin((exchange) => exchange.reply({ body: "x" }), async ({ ask }) => {
    const from = (peer: string, client: string) => ask("/a", { from: peer, headers: { "x-forwarded-for": client } });
    assert.equal((await from("10.0.0.1", "203.0.113.1")).status, 200);
    assert.equal((await from("10.0.0.1", "203.0.113.2")).status, 200);
    assert.equal((await from("10.0.0.1", "203.0.113.1")).status, 429);
    assert.equal((await from("192.0.2.1", "203.0.113.5")).status, 200);
    assert.equal((await from("192.0.2.1", "203.0.113.6")).status, 429);
  }, { server: { trusted_proxies: ["10.0.0.0/8"] }, ...limited({ requests: 1, per: "1h" }) }));

Deno.test("admit() refuses in the shape that TMDB's clients understand", async () => {
  const origin = await startTmdbOrigin();
  try {
    await withGateway({
      pools: { p: { type: "tmdb-api", health: false, api_keys: [demoApiKey], upstreams: [origin.url] } },
      listeners: [{ name: "l", prefix: "/3", pool: "p", rate_limit: { requests: 1, per: "1h" } }],
    }, async ({ ask }) => {
      await ask("/3/movie/603");
      const refused = await ask("/3/movie/603");
      assert.equal(refused.status, 429);
      assert.equal(JSON.parse(refused.text).status_code, 25);
    });
  } finally {
    await origin.close();
  }
});

Deno.test("admit() limits the clients of one listener only", () =>
  withOrigin((exchange) => exchange.reply({ body: "x" }), async (_, origin) => {
    await withGateway({
      ...plainParts([]),
      pools: { p: plainPool([origin.url]) },
      listeners: [
        { name: "a", prefix: "/a", pool: "p", rate_limit: { requests: 1, per: "1h" } },
        { name: "b", prefix: "/b", pool: "p", rate_limit: { requests: 1, per: "1h" } },
      ],
    }, async ({ ask }) => {
      assert.deepEqual([(await ask("/a")).status, (await ask("/b")).status, (await ask("/a")).status], [200, 200, 429]);
    });
  }));

Deno.test("admit() goes by the names that tokens give, wherever a client is", () =>
  withOrigin((exchange) => exchange.reply({ body: "x" }), async ({ ask }) => {
    const tokens = { tv: "0b6f1c2d3e4a5968778695a4b3c2d1e0", kodi: "e0d1c2b3a495867768594a3e2d1c6f0b" };
    const by = (name: keyof typeof tokens, from: string) =>
      ask("/a", { from, headers: { "x-usher-token": tokens[name] } });
    assert.equal((await by("tv", "192.0.2.1")).status, 200);
    assert.equal((await by("tv", "192.0.2.2")).status, 429);
    assert.equal((await by("kodi", "192.0.2.1")).status, 200);
  }, {
    listeners: [{
      ...{ name: "l", pool: "p", rate_limit: { requests: 1, per: "1h", by: "client" } },
      auth: { tokens: { tv: "0b6f1c2d3e4a5968778695a4b3c2d1e0", kodi: "e0d1c2b3a495867768594a3e2d1c6f0b" } },
    }],
  }));
