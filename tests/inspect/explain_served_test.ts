import assert from "node:assert/strict";
import { explain } from "../../lib/inspect/explain.ts";
import type { Explanation } from "../../lib/inspect/explanation.ts";
import { configFor, type GatewayParts } from "../pipeline/in_process_gateway.ts";

const TOKEN = "0123456789abcdef0123";
const WRONG = "ffffffffffffffff0000";

const CLOSED: GatewayParts = {
  pools: { p: { type: "custom", health: false, upstreams: ["http://127.0.0.1:9"] } },
  listeners: [{ name: "l", pool: "p", auth: { tokens: { anna: [TOKEN] }, path: true, query: ["t"] } }],
};

async function explained(target: string, parts = CLOSED): Promise<Explanation> {
  const request = { method: "GET", to: null, authority: "h.example", target, fields: [] };
  return await explain(await configFor(parts), request, () => "");
}

Deno.test("servedView() answers 401 for a client that is not let in, and tells all the same what one that is gets", async () => {
  const { served: [served] } = await explained("/a?x=1");
  assert.equal(served!.own_answer?.status, 401);
  assert.match(served!.settings["auth"]!, /shows none/);
  assert.deepEqual(served!.cache!.key, ["l", "h.example", "/a?x=1"]);
  assert.equal(served!.upstreams[0]!.request?.target, "/a?x=1");
  assert.equal(served!.cache!.answers.find((answer) => answer.cache_control !== null)?.fresh_ms, 600_000);
});

Deno.test("servedView() knows a client by a token, and shows no token, right or wrong", async () => {
  for (
    const [target, isLetIn] of [[`/~${TOKEN}/a?x=1`, true], [`/a?t=${TOKEN}&x=1`, true], [
      `/~${WRONG}/a?x=1`,
      false,
    ]] as const
  ) {
    const explanation = await explained(target);
    const [served] = explanation.served;
    assert.equal(served!.own_answer === null, isLetIn, target);
    assert.equal(served!.upstreams[0]!.request?.target, "/a?x=1");
    assert.doesNotMatch(JSON.stringify(explanation), new RegExp(`${TOKEN}|${WRONG}`));
    assert.match(explanation.request.target, /\[redacted\]/);
  }
});

Deno.test("servedView() shows no more than 32 upstreams", async () => {
  const upstreams = Array.from({ length: 40 }, (_, index) => `http://127.0.0.1:${index + 1}`);
  const parts = { ...CLOSED, pools: { p: { type: "custom", health: false, upstreams } } };
  assert.equal((await explained("/a", parts)).served[0]!.upstreams.length, 32);
});

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
