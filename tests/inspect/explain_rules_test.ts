import assert from "node:assert/strict";
import { explain } from "../../lib/inspect/explain.ts";
import { configFor } from "../pipeline/in_process_gateway.ts";

const config = await configFor({
  pools: {
    p: { type: "custom", health: false, upstreams: ["http://127.0.0.1:9"] },
    q: { type: "custom", health: false, upstreams: ["http://127.0.0.1:8", { url: "http://127.0.0.1:7", weight: 0 }] },
  },
  listeners: [{
    name: "l",
    pool: "p",
    prefix: "/pre",
    strip_prefix: true,
    rules: [
      {
        when: { path: "/v3/**" },
        request: {
          set: { "x-key": "top-secret" },
          remove: ["cookie"],
          rewrite: { to: "/api/$1" },
          query: { set: { a: "1" }, remove: ["b"] },
        },
        response: { set: { server: "x" }, status: { 503: "soon" } },
      },
      { when: { header: { "x-canary": "1" } }, pool: "q", upstream: "http://127.0.0.1:7" },
      { when: { path: "/v3/x/**" }, pool: "q" },
      { when: { path: "/old/*" }, redirect: { to: "/new/$1" } },
      { when: { path: "/old/**", client: "127.0.0.0/8" }, respond: { status: 410 } },
      { when: { path: "/.dots" }, request: { rewrite: { from: "dots", to: "/" } } },
    ],
  }],
});

async function served(target: string, fields: [string, string][] = []) {
  const explanation = await explain(config, { method: "GET", to: null, authority: null, target, fields }, () => "");
  return { ...explanation, view: explanation.served[0] };
}

Deno.test("ruleViews() says of each rule what it does, or why it does not apply, and shows no value", async () => {
  const { view } = await served("/pre/v3/film?b=2");
  assert.deepEqual(view!.rules.slice(0, 4).map(({ rule, unmet, does }) => [rule, unmet ?? does]), [
    [1, [
      "removes request field cookie",
      "sets request field x-key",
      "rewrites the path to /api/film",
      "removes parameter b",
      "sets parameter a",
      "sets response field server",
      "has a body for status 503",
    ]],
    [2, "header x-canary does not match"],
    [3, "path does not match /v3/x/**"],
    [4, "path does not match /old/*"],
  ]);
  const { request } = view!.upstreams[0]!;
  assert.equal(request!.target, "/api/film?a=1");
  assert.deepEqual(request!.fields.find(([name]) => name === "x-key"), ["x-key", "[set by a rule]"]);
  assert.match(view!.cache!.key!.join(" "), /^l \S+ \/api\/film\?a=1 ~rules:/);
  assert.doesNotMatch(JSON.stringify(view), /top-secret/);
});

Deno.test("explain() shows the pool and the upstream that rules ask, and which rule decides", async () => {
  const elsewhere = (await served("/pre/v3/x/film")).view!;
  assert.deepEqual([elsewhere.pool, elsewhere.rules[2]!.does], ["q", ["asks pool q"]]);
  assert.deepEqual(elsewhere.upstreams.map(({ request }) => request === null), [false, true]);
  const pinned = (await served("/pre/v3/x/film", [["x-canary", "1"]])).view!;
  assert.deepEqual(pinned.upstreams.map(({ request }) => request === null), [true, false]);
  assert.deepEqual(pinned.rules[1]!.does, ["asks pool q", "asks http://127.0.0.1:7 only"]);
  const answered = (await served("/pre/old/x")).view!;
  assert.equal(answered.own_answer?.status, 410);
  assert.deepEqual(answered.rules[3]!.does, ["redirects with 302 to /new/$1 (another rule decides)"]);
  assert.deepEqual(answered.rules[4]!.does, ["answers with 410"]);
});

Deno.test("explain() shows a request that a rule makes unusable as refused", async () => {
  assert.equal((await served("/pre/.dots")).refused?.code, "bad_request");
});
