import assert from "node:assert/strict";
import type { ScriptedExchange } from "../origins/scripted_origin.ts";
import {
  type Answered,
  type InProcessGateway,
  plainPool,
  sentField,
  withGateway,
  withOrigin,
  withOrigins,
} from "./in_process_gateway.ts";

const FRESH: [string, string] = ["cache-control", "max-age=600"];
const TOKEN = "5f3c9a1e7b2d4068aa51c0de93b7f642";

/** An origin that tells what it was asked for. */
function echo(exchange: ScriptedExchange): Promise<void> {
  return exchange.reply({ fields: [FRESH, ["server", "x"], ["x-powered-by", "y"]], body: exchange.head.target });
}

function listener(rules: unknown, more: Record<string, unknown> = {}) {
  return { listeners: [{ name: "l", pool: "p", rules, ...more }] };
}

/** The names and values of a response's fields that are named. */
function shown({ headers }: Answered, ...names: string[]): (string | null)[] {
  return names.map((name) => headers.get(name));
}

Deno.test("rules change what upstreams are asked, and the cache keeps apart what is asked differently", () =>
  withOrigin(
    echo,
    async (gateway, origin) => {
      const kodi = { "x-app": "Kodi 21", "x-debug": "1", "x-real-ip": "198.51.100.1" };
      const first = await gateway.ask("/v3/movie?lang=de&utm_source=x", { headers: kodi });
      assert.equal(first.text, "/api/movie?lang=de&region=DE");
      assert.deepEqual(["x-from", "x-seen", "x-debug"].map((name) => sentField(origin, name)), [
        "usher",
        "movie",
        null,
      ]);
      assert.equal(sentField(origin, "x-real-ip"), "192.0.2.77");
      assert.deepEqual(shown(first, "x-served-by", "server", "x-powered-by"), ["usher", null, null]);

      const hit = await gateway.ask("/v3/movie?lang=de&utm_source=y", { headers: kodi });
      assert.match(hit.cacheStatus, /hit/);
      assert.deepEqual(shown(hit, "x-served-by", "server"), ["usher", null]);
      // Without the field the rule does not apply: another request, another response.
      const other = await gateway.ask("/v3/movie?lang=de");
      assert.equal(other.text, "/v3/movie?lang=de");
      assert.deepEqual(shown(other, "x-served-by", "server"), [null, "x"]);
      assert.equal(sentField(origin, "x-from"), null);
      // And what a client asks for by itself is another one too.
      assert.match((await gateway.ask("/api/movie?lang=de&region=DE")).cacheStatus, /fwd=uri-miss|fwd=miss/);
      assert.equal(origin.heads.length, 3);
      assert.equal(gateway.access()[0]?.["target"], "/v3/movie?lang=de&utm_source=x");
    },
    listener([{
      when: { path: "/v3/**", method: ["GET", "HEAD"], query: { lang: "*" }, header: { "X-App": "kodi*" } },
      request: {
        set: { "X-From": "usher", "x-real-ip": "192.0.2.77" },
        add: { "x-seen": "$1" },
        remove: ["x-debug"],
        rewrite: { from: "^/v3/(.*)$", to: "/api/$1" },
        query: { set: { region: "DE" }, remove: ["utm_*"] },
      },
      response: { set: { "x-served-by": "usher" }, remove: ["server", "x-powered-by"] },
    }]),
  ));

Deno.test("rules redirect and answer, in the place of upstreams", () =>
  withOrigin(
    echo,
    async (gateway, origin) => {
      const moved = await gateway.ask("/pre/old/a%20b?x=1", { redirect: "manual" });
      assert.equal(moved.status, 308);
      assert.deepEqual(shown(moved, "location", "cache-control", "x-all"), ["/pre/new/a%20b?x=1", "no-store", "1"]);
      const away = await gateway.ask("/pre/away/x", { redirect: "manual" });
      assert.deepEqual([away.status, away.headers.get("location")], [302, "https://away.example/x"]);
      const health = await gateway.ask("/pre/health");
      assert.deepEqual([health.status, health.text, health.headers.get("content-type")], [
        200,
        "ok",
        "text/plain; charset=utf-8",
      ]);
      assert.equal((await gateway.ask("/pre/health", { method: "HEAD" })).text, "");
      const refused = await gateway.ask("/pre/gone");
      assert.equal(refused.status, 410);
      assert.match(refused.text, /"status":410.*rule 4 of listener l.*"code":"refused_by_rule"/);
      // The first of several that decide counts.
      assert.equal((await gateway.ask("/pre/old/health")).status, 308);
      // A path is read as whatever stands behind may read it.
      for (const path of ["/pre/%68ealth", "/pre//health", "/pre/health;v=1", "/pre/\\health"]) {
        assert.equal((await gateway.ask(`http://gateway.test${path}`.replace("\\", "%5C"))).text, "ok", path);
      }
      assert.equal(origin.heads.length, 0);
    },
    listener([
      { when: { path: "/old/**" }, redirect: { to: "/new/$1", status: 308 } },
      { when: { path: "/away/*" }, redirect: { to: "https://away.example/$1" } },
      { when: { path: "/health" }, respond: { body: "ok" } },
      { when: { path: "/gone" }, respond: { status: 410 } },
      { when: { path: "/old/**" }, respond: { body: "never" } },
      { response: { set: { "x-all": "1" } } },
    ], { prefix: "/pre", strip_prefix: true }),
  ));

Deno.test("rules about clients answer before tokens and quotas are asked for, others after", () =>
  withOrigin(
    echo,
    async (gateway) => {
      const inside = { from: "10.1.2.3" };
      const token = { headers: { "x-usher-token": TOKEN } };
      assert.equal((await gateway.ask("/lb", inside)).text, "up");
      assert.equal((await gateway.ask("/health", inside)).status, 401);
      assert.equal((await gateway.ask("/health", { ...inside, ...token })).text, "ok");
      assert.equal((await gateway.ask("/", { ...inside, ...token })).status, 200);
      const stranger = await gateway.ask("/health", { from: "192.0.2.1", ...token });
      assert.deepEqual([stranger.status, stranger.headers.get("x-refused")], [403, "1"]);
      // Nobody's quota was touched by it.
      assert.equal(stranger.headers.get("ratelimit"), null);
      assert.equal((await gateway.ask("/", { from: "10.1.2.9" })).headers.get("x-all"), "1");
    },
    listener([
      { when: { path: "/health" }, respond: { body: "ok" } },
      { when: { path: "/lb", client: ["10.0.0.0/8"] }, respond: { body: "up" } },
      { when: { client: "!10.0.0.0/8" }, respond: { status: 403 }, response: { set: { "x-refused": "1" } } },
      { response: { set: { "x-all": "1" } } },
    ], { auth: { tokens: { kodi: TOKEN } }, rate_limit: { requests: 9, per: "1m" } }),
  ));

Deno.test("bodies of rules take the place of errors, an upstream's and the gateway's", () =>
  withOrigin(
    (exchange) =>
      exchange.head.target === "/cut" ? exchange.reset() : exchange.reply({
        status: Number(exchange.head.target.slice(1)),
        fields: [["content-type", "text/html"], ["etag", '"1"'], ["retry-after", "5"], ["content-language", "en"]],
        body: "no",
      }),
    async (gateway) => {
      for (
        const [path, status, text] of [["/503", 503, "soon"], ["/404", 404, "nothing"], ["/cut", 502, "other"]] as const
      ) {
        const answer = await gateway.ask(path);
        assert.deepEqual([answer.status, answer.text], [status, text], path);
        assert.deepEqual(shown(answer, "etag", "content-language"), [null, null]);
      }
      assert.deepEqual(shown(await gateway.ask("/503"), "retry-after", "content-type"), [
        "5",
        "text/html; charset=utf-8",
      ]);
      assert.equal((await gateway.ask("/404", { method: "HEAD" })).headers.get("content-length"), "7");
      assert.deepEqual((await gateway.ask("/410")).text, "no");
      assert.equal((await gateway.ask("/200")).text, "no");
      // A stored error is replaced as well.
      assert.deepEqual([(await gateway.ask("/404")).text, (await gateway.ask("/404")).text], ["nothing", "nothing"]);
    },
    {
      ...listener([{
        response: { status: { 503: "soon", 404: { body: "nothing", content_type: "text/plain" }, "500-599": "other" } },
      }]),
      pool: { retry: { attempts: 1 } },
    },
  ));

Deno.test("rules send to another pool with that pool's key only, and store what comes apart", async () => {
  const seen: string[][] = [[], []];
  const tmdb = (place: number) => (exchange: ScriptedExchange) => {
    seen[place]!.push(exchange.head.target + (JSON.stringify(exchange.head.fields)));
    return exchange.reply({ fields: [["content-type", "application/json"]], body: `{"from":${place}}` });
  };
  const [one, other] = ["0123456789abcdef0123456789abcdef", "fedcba9876543210fedcba9876543210"];
  const pool = (url: string, key: string) => ({ ...plainPool([url]), type: "tmdb-api", api_keys: [key] });
  await withOrigins([tmdb(0), tmdb(1)], (first, second) =>
    withGateway({
      pools: { p: pool(first!.url, one), q: pool(second!.url, other) },
      ...listener([{ when: { header: { "x-app": "beta" } }, pool: "q" }], { prefix: "/3" }),
    }, async (gateway) => {
      for (let turn = 0; turn < 2; turn++) {
        assert.equal((await gateway.ask("/3/movie/1")).text, '{"from":0}');
        assert.equal((await gateway.ask("/3/movie/1", { headers: { "x-app": "beta" } })).text, '{"from":1}');
      }
      assert.deepEqual(seen.map((list) => list.length), [1, 1]);
      assert.ok(seen[0]!.join().includes(one) && !seen[0]!.join().includes(other));
      assert.ok(seen[1]!.join().includes(other) && !seen[1]!.join().includes(one));
    }));
});

Deno.test("an upstream with weight 0 is asked where a rule names it, and nowhere else", () =>
  withOrigins(
    [echo, (exchange) => exchange.reply({ fields: [FRESH], body: "canary" })],
    (usual, canary) =>
      withGateway({
        pools: { p: { ...plainPool([]), upstreams: [usual!.url, { url: canary!.url, weight: 0 }] } },
        ...listener([{ when: { header: { "x-canary": "1" } }, upstream: canary!.url }]),
      }, async (gateway) => {
        for (let turn = 0; turn < 10; turn++) assert.equal((await gateway.ask(`/${turn}`)).text, `/${turn}`);
        for (let turn = 0; turn < 3; turn++) {
          assert.equal((await gateway.ask("/1", { headers: { "x-canary": "1" } })).text, "canary");
          assert.equal((await gateway.ask("/1")).text, "/1");
        }
        assert.deepEqual([usual!.heads.length, canary!.heads.length], [10, 1]);
        await canary!.close();
        assert.equal((await gateway.ask("/2", { headers: { "x-canary": "1" } })).status, 502);
        assert.equal(usual!.heads.length, 10);
      }),
  ));

/** A gateway whose rule tells caches to keep everything. */
function withBoldRule(
  run: (gateway: InProcessGateway) => Promise<void>,
  more: Record<string, unknown> = {},
): Promise<void> {
  return withOrigin(
    (exchange) => {
      const says = new URLSearchParams(exchange.head.target.split("?")[1]).get("says");
      const cookie: [string, string][] = exchange.head.target.startsWith("/cookie") ? [["set-cookie", "a=1"]] : [];
      return exchange.reply({
        fields: [...(says === null ? [] : [["cache-control", says] as [string, string]]), ...cookie],
        body: "x",
      });
    },
    run,
    listener([{
      response: {
        set: {
          "cache-control": "public, max-age=60, s-maxage=90",
          expires: "Fri, 01 Jan 2027 00:00:00 GMT",
          "cdn-cache-control": "max-age=9",
        },
      },
    }], more),
  );
}

Deno.test("no rule lets a shared cache keep one client's answer", () =>
  withBoldRule(async (gateway) => {
    const says = async (target: string, headers: Record<string, string> = {}) =>
      shown(await gateway.ask(target, { headers }), "cache-control", "expires", "cdn-cache-control");
    const all = ["public, max-age=60, s-maxage=90", "Fri, 01 Jan 2027 00:00:00 GMT", "max-age=9"];
    for (let turn = 0; turn < 2; turn++) assert.deepEqual(await says("/a?says=max-age=5"), all);
    const own = ["private, max-age=60", null, null];
    assert.deepEqual(await says("/b?says=private,max-age=5"), own);
    assert.deepEqual(await says("/c?says=max-age=5", { authorization: "Bearer x" }), own);
    assert.deepEqual(await says("/d?says=max-age=5", { cookie: "a=1" }), own);
    assert.deepEqual(await says("/cookie?says=max-age=5"), own);
    assert.deepEqual(await says("/e?says=no-store"), ["no-store", null, null]);
    assert.deepEqual(await says("/f?says=max-age=5", { "if-none-match": "*" }), all);
  }));

Deno.test("no rule takes away what keeps caches from keeping one client's answer, by a name or a pattern", () =>
  withOrigin(
    (exchange) =>
      exchange.reply({ fields: [["cache-control", "private"], ["expires", "0"], ["vary", "cookie"]], body: "x" }),
    async (gateway) => {
      assert.deepEqual(shown(await gateway.ask("/a"), "cache-control", "expires", "vary"), ["private", "0", "cookie"]);
    },
    listener([{ response: { remove: ["cache-control", "expires", "c*", "e*", "v*"] } }]),
  ));

Deno.test("no rule opens the answers of a closed listener to caches in front", () =>
  withBoldRule(async (gateway) => {
    const answer = await gateway.ask("/a?says=max-age=5", { headers: { "x-usher-token": TOKEN } });
    assert.deepEqual(shown(answer, "cache-control", "cdn-cache-control"), ["private, max-age=60", null]);
  }, { auth: { tokens: { kodi: TOKEN } } }));

Deno.test("what leads to an upstream is led back to a listener that takes its prefix off, unless redirects are kept", () =>
  withOrigin(
    (exchange) =>
      exchange.reply({
        status: 302,
        fields: [
          ["location", `http://${exchange.head.fields.find(([name]) => name === "host")![1]}/login?next=%2F`],
          ["content-location", "/a/x"],
          ["refresh", '3; url="/later"'],
          ["set-cookie", "sid=1; Path=/; Domain=127.0.0.1; HttpOnly"],
          ["set-cookie", "__Host-x=1; Path=/; Secure"],
        ],
        body: "",
      }),
    async (gateway, origin) => {
      const mapped = await gateway.ask("/pre/a", { redirect: "manual" });
      assert.deepEqual(shown(mapped, "location", "content-location", "refresh"), [
        "/pre/login?next=%2F",
        "/pre/a/x",
        '3; url="/pre/later"',
      ]);
      assert.deepEqual(mapped.headers.getSetCookie(), ["sid=1; Path=/pre; HttpOnly", "__Host-x=1; Path=/; Secure"]);
      assert.equal(sentField(origin, "x-forwarded-prefix"), "/pre");
      const kept = await gateway.ask("/kept/a", { redirect: "manual" });
      assert.deepEqual(shown(kept, "location", "content-location"), [`${origin.url}/login?next=%2F`, "/a/x"]);
      assert.equal(sentField(origin, "x-forwarded-prefix"), null);
      await gateway.ask("/told/b", { headers: { "x-forwarded-prefix": "/outer" }, redirect: "manual" });
      assert.equal(sentField(origin, "x-forwarded-prefix"), "/outer/told");
      await gateway.ask("/pre/b", { headers: { "x-forwarded-prefix": "/outer" }, redirect: "manual" });
      assert.equal(sentField(origin, "x-forwarded-prefix"), "/pre");
    },
    {
      listeners: [
        { name: "t", pool: "p", prefix: "/told", strip_prefix: true, forward_fields: ["x-forwarded-prefix"] },
        { name: "l", pool: "p", prefix: "/pre", strip_prefix: true },
        { name: "k", pool: "p", prefix: "/kept", strip_prefix: true, redirects: "keep" },
      ],
    },
  ));
