import assert from "node:assert/strict";
import type { AdminToken } from "../../lib/config/admin.ts";
import { adminApp } from "../../routes/admin.ts";
import type { AdminView } from "../../routes/api/admin_view.ts";
import type { Readiness } from "../../lib/workers/supervisor/supervisor.ts";
import { ANY_CONFIG, configOf } from "../gateway/config_of.ts";
import { plainView } from "./plain_view.ts";

const LOCAL = { host: "127.0.0.1:6636" };

function tokens(token: string): readonly AdminToken[] {
  return [{ name: "admin", token, role: "operate" }];
}

/** Paths that only whoever may come in gets to. */
const GUARDED = [["GET", "/status"], ["GET", "/metrics"], ["POST", "/reload"], ["POST", "/purge"], [
  "POST",
  "/test/fault/0/throw",
]];

async function ask(view: AdminView, path: string, init: RequestInit = {}): Promise<Response> {
  return await adminApp(view).request(path, { headers: LOCAL, ...init }, { remote: "127.0.0.1" });
}

async function assertProblem(response: Response, status: number): Promise<void> {
  assert.equal(response.status, status);
  assert.equal(response.headers.get("content-type"), "application/problem+json");
  const body = await response.json();
  assert.equal(body.status, status);
  assert.equal(body.type, "about:blank");
  assert.ok(body.detail.length > 10, body.detail);
}

Deno.test("adminApp() shows the status and the metrics", async () => {
  assert.deepEqual(await (await ask(plainView(), "/status")).json(), { version: "0.0.0" });
  assert.equal(await (await ask(plainView(), "/metrics")).text(), "# HELP x X\n");
});

Deno.test("adminApp() begins to stop at POST, for whom the audit line names", async () => {
  const view = plainView();
  const begun = await ask(view, "/stop", { method: "POST" });
  assert.equal(begun.status, 202);
  assert.deepEqual(await begun.json(), { pid: Deno.pid, grace_ms: 30_000, delay_ms: 0 });
  assert.deepEqual(view.asked, ["stop by 127.0.0.1"]);
  await assertProblem(await ask(view, "/stop"), 405);
  const closed = plainView({ tokens: tokens("t0ken-0123456789") });
  await assertProblem(await ask(closed, "/stop", { method: "POST" }), 401);
  assert.deepEqual(closed.asked, []);
});

Deno.test("adminApp() reloads at POST, and says why it cannot", async () => {
  const view = plainView();
  const done = await ask(view, "/reload", { method: "POST" });
  assert.equal(done.status, 200);
  assert.deepEqual(await done.json(), { ok: true, generation: 2, changes: ["a"], needs_restart: [], problems: [] });
  assert.deepEqual(view.asked, ["reload by 127.0.0.1"]);
  const tried = await ask(view, "/api/v1/reload?dry_run=true", { method: "POST" });
  const shown = { ok: true, generation: 1, changes: ["a"], needs_restart: ["b"], problems: [] };
  assert.deepEqual([tried.status, await tried.json()], [200, shown]);
  for (const query of ["dry_run=maybe", "dryrun=true"]) {
    await assertProblem(await ask(view, `/reload?${query}`, { method: "POST" }), 422);
  }
  assert.deepEqual(view.asked, ["reload by 127.0.0.1"]);
  const problems = ["config.yaml:2:3 server.workers: found 0"];
  const refused = await ask(plainView({ reload: () => Promise.resolve({ ok: false, problems }) }), "/reload", {
    method: "POST",
  });
  assert.equal(refused.status, 422);
  assert.deepEqual(await refused.json(), {
    type: "about:blank",
    title: "Unprocessable Entity",
    status: 422,
    detail: "The configuration before stays in force",
    ok: false,
    changes: [],
    needs_restart: [],
    problems,
  });
});

Deno.test("adminApp() changes nothing at GET", async () => {
  const view = plainView();
  for (const path of ["/reload", "/purge", "/api/v1/reload", "/api/v1/purge"]) {
    const refused = await ask(view, path);
    assert.equal(refused.headers.get("allow"), "POST");
    await assertProblem(refused, 405);
  }
  await assertProblem(await ask(view, "/test/fault/0/throw"), 404);
  assert.deepEqual(view.asked, []);
});

Deno.test("adminApp() purges what a request names", async () => {
  const view = plainView();
  const headers = { ...LOCAL, "content-type": "application/json" };
  const body = JSON.stringify({ tag: "movie:550", listener: "api", hard: true });
  const response = await ask(view, "/purge", { method: "POST", headers, body });
  assert.equal(response.status, 200);
  assert.deepEqual(await response.json(), {
    asked: { tag: "movie:550", listener: "api", hard: true },
    soft: false,
    listeners: ["api"],
    workers: 2,
    matched: 4,
    persisted: true,
    duration_ms: 3,
  });
  assert.deepEqual(view.asked, ["purge tag movie:550 of api hard=true by 127.0.0.1"]);
});

Deno.test("adminApp() refuses a purge that is none, and passes on why there is nothing to purge", async () => {
  const { purging } = plainView();
  const purge = () => Promise.resolve({ ok: false as const, problem: "There is no listener called x" });
  const view = plainView({ purging: { ...purging, purge } });
  const json = { ...LOCAL, "content-type": "application/json" };
  const post = (headers: Record<string, string>, body: string) =>
    ask(view, "/purge", { method: "POST", headers, body });
  await assertProblem(await post(LOCAL, "{}"), 415);
  await assertProblem(await post(json, "{"), 400);
  await assertProblem(await post(json, JSON.stringify({ tag: "x".repeat(1_100_000) })), 413);
  await assertProblem(await post(json, "{}"), 422);
  await assertProblem(await post(json, '{"listener":"x"}'), 422);
});

Deno.test("adminApp() breaks a worker where that is allowed, and else knows nothing of it", async () => {
  const view = plainView();
  assert.equal((await ask(view, "/test/fault/1/hang", { method: "POST" })).status, 204);
  assert.deepEqual(view.asked, ["hang in 1"]);
  await assertProblem(await ask(plainView({ fault: () => false }), "/test/fault/1/hang", { method: "POST" }), 404);
  await assertProblem(await ask(view, "/test/fault/1/melt", { method: "POST" }), 404);
});

Deno.test("adminApp() shows liveness and readiness to everyone, and nothing else", async () => {
  const view = plainView({ tokens: tokens("t") });
  const headers = { host: "any.example", origin: "https://evil.example" };
  for (const path of ["/health", "/ready"]) assert.equal((await ask(view, path, { headers })).status, 200, path);
  for (const [method, path] of GUARDED) {
    await assertProblem(await ask(view, path!, { method, headers }), 403);
    const anonymous = await ask(view, path!, { method, headers: { host: "any.example" } });
    assert.equal(anonymous.headers.get("www-authenticate"), 'Bearer realm="usher admin"');
    await assertProblem(anonymous, 401);
  }
  await assertProblem(await ask(view, "/nothing", { headers: { host: "any.example" } }), 401);
  assert.deepEqual(view.asked, []);
});

Deno.test("adminApp() lets the token in", async () => {
  const headers = { host: "any.example", authorization: "Bearer t" };
  assert.equal((await ask(plainView({ tokens: tokens("t") }), "/status", { headers })).status, 200);
});

Deno.test("adminApp() answers problem details for what is not there and for what goes wrong, without a stack", async () => {
  await assertProblem(await ask(plainView(), "/nothing"), 404);
  const broken = plainView({ status: () => Promise.reject(new Error("No worker answers at /3?api_key=0123")) });
  const response = await ask(broken, "/status");
  const text = await response.clone().text();
  await assertProblem(response, 500);
  assert.doesNotMatch(text, /\bat .*:\d+:\d+|0123/);
});

Deno.test("/change-feed tells how feeds stand, and begins a look-up where there is one", async () => {
  const begun: Record<string, boolean | null> = { tmdb: true, busy: null };
  const view = plainView({
    changeFeeds: () => [{ pool: "tmdb", state: "waiting" }],
    pollChanges: (pool) => begun[pool] ?? (pool in begun ? null : false),
  });
  const shown = await ask(view, "/change-feed");
  assert.deepEqual(await shown.json(), { change_feeds: [{ pool: "tmdb", state: "waiting" }] });
  const statuses = [["tmdb", 202], ["busy", 409], ["other", 404]] as const;
  for (const [pool, status] of statuses) {
    const response = await ask(view, `/change-feed/${pool}`, { method: "POST" });
    assert.equal(response.status, status, pool);
    await response.body?.cancel();
  }
  assert.equal(
    (await ask(plainView({ tokens: tokens("secret") }), "/change-feed/tmdb", { method: "POST" })).status,
    401,
  );
});

Deno.test("GET /health answers 200 as long as the process lives", async () => {
  const response = await adminApp(plainView({ readiness: () => "no worker serves" })).request("/health");
  assert.equal(response.status, 200);
  assert.deepEqual(await response.json(), { status: "ok" });
});

Deno.test("GET /ready answers 200 or 503, by what is so when it is asked", async () => {
  let readiness: Readiness = "an address is not served";
  const app = adminApp(plainView({ readiness: () => readiness }));
  assert.equal((await app.request("/ready")).status, 503);
  readiness = "stopping";
  assert.deepEqual(await (await app.request("/ready")).json(), { status: "stopping" });
  readiness = "ready";
  assert.equal((await app.request("/ready")).status, 200);
});

Deno.test("HEAD /ready answers as GET does, for checks that send no GET", async () => {
  const response = await adminApp(plainView({ readiness: () => "no worker serves" })).request("/ready", {
    method: "HEAD",
  });
  assert.equal(response.status, 503);
  assert.equal(await response.text(), "");
});

Deno.test("GET /metrics answers in the format that the scraper asks for, and says which that is", async () => {
  const prometheus = ["text/plain; version=0.0.4; charset=utf-8", "# HELP x X\n"];
  const openMetrics = ["application/openmetrics-text; version=1.0.0; charset=utf-8", "# EOF\n"];
  const asked: readonly (readonly [accept: string | null, answer: readonly string[]])[] = [
    [null, prometheus],
    ["*/*", prometheus],
    ["text/plain", prometheus],
    ["text/html, application/xhtml+xml, */*;q=0.8", prometheus],
    // What Prometheus sends.
    [
      "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,text/plain;q=0.5",
      openMetrics,
    ],
    ["APPLICATION/OpenMetrics-Text", openMetrics],
    ["application/openmetrics-text; q=0", prometheus],
    ["application/openmetrics-text;q=0.2, text/plain;version=0.0.4;q=0.9", prometheus],
    [`${"x/y,".repeat(10_000)}application/openmetrics-text`, prometheus],
  ];
  for (const [accept, [type, text]] of asked) {
    for (const path of ["/metrics", "/api/v1/metrics"]) {
      const response = await ask(plainView(), path, { headers: accept === null ? LOCAL : { ...LOCAL, accept } });
      assert.equal(response.status, 200);
      assert.equal(response.headers.get("content-type"), type, `${accept}`);
      assert.equal(await response.text(), text);
    }
  }
});

Deno.test("adminApp() drains, undrains and checks an upstream of a pool, for who may operate", async () => {
  const post = (view: AdminView, action: string, body: unknown, token?: string) =>
    ask(view, `/api/v1/pools/a%20pool/${action}`, {
      method: "POST",
      headers: {
        ...LOCAL,
        "content-type": "application/json",
        ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
      },
      body: JSON.stringify(body),
    });
  const view = plainView();
  const upstream = "http://one.example";
  const drained = { since: "1970-01-01T00:00:00.000Z", by: "127.0.0.1" };
  assert.deepEqual(await (await post(view, "drain", { upstream })).json(), {
    ...{ pool: "a pool", upstream, drained, workers: 2, left: 1, persisted: true },
  });
  assert.equal((await (await post(view, "undrain", { upstream })).json()).drained, null);
  assert.deepEqual(await (await post(view, "check", { upstream })).json(), {
    ...{ pool: "a pool", upstream, ok: true, ms: 3, detail: "" },
  });
  assert.deepEqual(view.asked, [
    "drain http://one.example of a pool by 127.0.0.1",
    "undrain http://one.example of a pool by 127.0.0.1",
    "check http://one.example of a pool by 127.0.0.1",
  ]);
  await assertProblem(await post(view, "drain", {}), 422);
  await assertProblem(await post(view, "drain", { upstream, force: true }), 422);
  const refusing = plainView({
    drain: () => Promise.resolve({ ok: false, problem: "There is no such upstream" }),
    check: () => Promise.resolve({ ok: false, reason: "unchecked", problem: "It has no active check" }),
  });
  await assertProblem(await post(refusing, "drain", { upstream }), 404);
  await assertProblem(await post(refusing, "check", { upstream }), 409);
  const reader = plainView({ tokens: [{ name: "page", token: "read-0123456789abcdef", role: "read" }] });
  await assertProblem(await post(reader, "drain", { upstream }, "read-0123456789abcdef"), 403);
  assert.deepEqual(reader.asked, []);
});

Deno.test("adminApp() looks a request up and explains it, and says what is no URL without what may be secret in it", async () => {
  const post = async (path: string, body: unknown) =>
    await ask(plainView({ config: await configOf(ANY_CONFIG) }), `/api/v1${path}`, {
      method: "POST",
      headers: { ...LOCAL, "content-type": "application/json" },
      body: JSON.stringify(body),
    });
  const found = await (await post("/cache/lookup", { url: "/a", fields: { Host: "films.example" } })).json();
  assert.deepEqual([found.listener, found.stored, found.workers], [null, [], 0]);
  assert.equal(found.explain.request.authority, "films.example");
  const explained = await (await post("/explain", { url: "/a", method: "head" })).json();
  assert.deepEqual([explained.request.method, explained.served[0].listener], ["HEAD", "films"]);
  for (
    const body of [{ url: "x.example/?token=very-secret" }, { url: "/a", fields: { "a b": "c" } }, {
      url: "/a",
      method: "{",
    }]
  ) {
    const refused = await post("/cache/lookup", body);
    assert.doesNotMatch(await refused.clone().text(), /very-secret/);
    await assertProblem(refused, 422);
  }
});
