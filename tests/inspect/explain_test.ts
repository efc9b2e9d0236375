import assert from "node:assert/strict";
import { explain, type ExplainRequest } from "../../lib/inspect/explain.ts";
import type { Explanation, ServedView } from "../../lib/inspect/explanation.ts";
import { configFor, type GatewayParts, plainParts, withOrigin } from "../pipeline/in_process_gateway.ts";

const KEYS = ["0123456789abcdef0123456789abcdef", "00000000000000000000000000000002"];
const FOREIGN_KEY = "99999999999999999999999999999999";

const TMDB: GatewayParts = {
  pools: {
    api: {
      type: "tmdb-api",
      api_keys: KEYS,
      key_mode: "replace",
      upstreams: [
        "https://api.themoviedb.org",
        { url: "https://two.example/base", proxy: "socks5://me:proxy-secret@127.0.0.1:1080", resolve: "203.0.113.7" },
      ],
    },
  },
  listeners: [{
    name: "api",
    prefix: "/3",
    pool: "api",
    cache: { rules: [{ path: "/3/movie/*", status: "200-299", ttl: "1h", disk: false }] },
  }],
};

function request(target: string, more: Partial<ExplainRequest> = {}): ExplainRequest {
  return { method: "GET", to: null, authority: null, target, fields: [], ...more };
}

const ruleNames = (listener: number, rule: number) => `rule ${listener}.${rule}`;

async function explained(parts: GatewayParts, asked: ExplainRequest): Promise<Explanation> {
  return await explain(await configFor(parts), asked, ruleNames);
}

function only({ served }: Explanation): ServedView {
  assert.equal(served.length, 1);
  return served[0]!;
}

Deno.test("explain() says class, key, tags, times and rule of a shared request", async () => {
  const served = only(await explained(TMDB, request("/3/movie/550?language=de&append_to_response=videos,credits")));
  assert.equal(served.class, "details");
  assert.equal(served.private, null);
  assert.equal(served.own_answer, null);
  assert.deepEqual(served.cache!.key, ["api", "", "/3/movie/550?append_to_response=credits,videos&language=de"]);
  assert.deepEqual(served.cache!.tags, ["class:details", "movie:550", "lang:de"]);
  const [first, missing, failing] = served.cache!.answers;
  assert.equal(first!.decided_by, "rule 0.0");
  assert.equal(first!.fresh_ms, 3_600_000);
  assert.deepEqual([first!.memory, first!.disk], [true, false]);
  assert.equal(missing!.status, 404);
  assert.equal(missing!.decided_by, "class details");
  assert.deepEqual([failing!.status, failing!.stored], [503, false]);
});

Deno.test("explain() shows what each upstream would be sent, with places in the place of keys", async () => {
  const explanation = await explained(TMDB, request(`/3/movie/550?api_key=${FOREIGN_KEY}&language=de`));
  const { upstreams } = only(explanation);
  assert.deepEqual(upstreams.map(({ request }) => request?.target), [
    "/3/movie/550?language=de&api_key=<key 1 of 2>",
    "/base/3/movie/550?language=de&api_key=<key 1 of 2>",
  ]);
  assert.equal(upstreams[1]!.proxy, "socks5://127.0.0.1:1080");
  assert.equal(upstreams[1]!.resolve, "203.0.113.7");
  const text = JSON.stringify(explanation);
  for (const secret of [...KEYS, FOREIGN_KEY, "proxy-secret"]) assert.equal(text.includes(secret), false, secret);
});

Deno.test("explain() shows no session, token or cookie of the request, and says that it is private", async () => {
  const fields: [string, string][] = [["authorization", "Bearer user-token"], ["cookie", "sid=cookie-secret"]];
  const explanation = await explained(TMDB, request("/3/movie/550?session_id=session-secret", { fields }));
  const served = only(explanation);
  assert.equal(served.private, "user-authorization");
  assert.equal(served.cache!.bypass, "user-authorization");
  assert.equal(served.cache!.key, null);
  assert.deepEqual(served.cache!.answers, []);
  assert.doesNotMatch(JSON.stringify(explanation), /user-token|cookie-secret|session-secret/);
});

Deno.test("explain() says what the gateway answers by itself", async () => {
  const fields: [string, string][] = [["access-control-request-method", "GET"], ["origin", "https://page.example"]];
  const served = only(await explained(TMDB, request("/3/movie/550", { method: "OPTIONS", fields })));
  assert.equal(served.own_answer?.status, 204);
  assert.deepEqual(served.upstreams.map(({ request }) => request), [null, null]);
  const offline = { ...TMDB, listeners: [{ name: "api", prefix: "/3", pool: "api", offline: true }] };
  const refused = only(await explained(offline, request("/3/movie/550")));
  assert.equal(refused.own_answer?.status, 503);
  assert.match(refused.own_answer!.text, /status_code/);
});

Deno.test("explain() gives the error of a request that is refused before it is routed", async () => {
  const { refused, served } = await explained(TMDB, request("/3/%2e%2e/admin"));
  assert.equal(refused?.code, "bad_request");
  assert.deepEqual(served, []);
  assert.equal((await explained(TMDB, request("/3/x", { method: "TRACE" }))).refused?.code, "method_not_supported");
});

Deno.test("explain() tries out a bounded number of answers, however many rules there are", async () => {
  const rules = Array.from({ length: 200 }, (_, place) => ({ content_type: `image/x-${place}`, ttl: "1h" }));
  const served = only(
    await explained(
      plainParts(["https://one.example"], {
        listeners: [{ name: "l", pool: "p", cache: { rules } }],
      }),
      request("/a"),
    ),
  );
  const { length } = served.cache!.answers;
  assert.ok(length > 10 && length <= 64, String(length));
});

Deno.test("explain() gives the error of a request whose Host holds no host", async () => {
  for (const authority of ["a<b", "a@b", "[::1", "a:b:c", "%"]) {
    const { refused, served } = await explained(TMDB, request("/3/movie/550", { authority }));
    assert.deepEqual([refused?.status, served], [400, []], authority);
  }
});

Deno.test("explain() says where no listener takes a request what comes nearest", async () => {
  const { served, nearest, listeners } = await explained(TMDB, request("/tmdb/3/movie/550"));
  assert.deepEqual(served, []);
  assert.match(nearest!, /Listener api would take \/3\/movie\/550/);
  assert.deepEqual(listeners.map(({ takes }) => takes), [false]);
});

Deno.test("explain() agrees with what the gateway then does", async () => {
  const listener = { name: "l", pool: "p", prefix: "/x", strip_prefix: true, cache: { query: { exclude: ["utm_*"] } } };
  await withOrigin(
    (exchange) =>
      exchange.reply({ fields: [["cache-control", "max-age=600"], ["content-type", "application/json"]], body: "{}" }),
    async (gateway, origin) => {
      const target = "/x//a%2fb?b=1&utm_source=y&a=2";
      const parts = { ...plainParts([origin.url]), listeners: [listener] };
      const { cache, upstreams } = only(await explained(parts, request(target, { authority: "gateway.test" })));
      const real = await gateway.ask(target);
      assert.equal(upstreams[0]!.request!.target, origin.heads[0]!.target);
      const said = cache!.answers.find((answer) => answer.cache_control === "max-age=600")!;
      assert.equal(said.sent_cache_status, real.cacheStatus);
      const key = cache!.key!.join("\0");
      assert.equal((await gateway.gateway.services.store.get(key))?.response.status, 200);
    },
    { listeners: [listener] },
  );
});

Deno.test("explain() asks nothing of the upstreams that are configured", async () => {
  await withOrigin(() => assert.fail("the origin was asked"), async (_gateway, origin) => {
    const { upstreams } = only(await explained(plainParts([origin.url]), request("/a")));
    assert.equal(upstreams[0]!.request?.target, "/a");
    assert.equal(origin.connections, 0);
  });
});
