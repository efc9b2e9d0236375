import assert from "node:assert/strict";
import { fieldValue } from "../../lib/http/fields.ts";
import { type ScriptedHandler, type ScriptedOrigin, startScriptedOrigin } from "../origins/scripted_origin.ts";
import { eventually } from "../eventually.ts";
import { fetched, freePort, type RunningGateway, startGateway } from "./_gateway.ts";
import { customPool, testConfig } from "./test_config.ts";

/** What differs between the gateways of a chain. */
interface Link {
  readonly name: string;
  readonly upstreams: readonly unknown[];
  /** A port that is known before, for gateways that lead to each other. */
  readonly port?: number;
  readonly listeners?: readonly Readonly<Record<string, unknown>>[];
  readonly trusts?: readonly string[];
  readonly attempts?: number;
  readonly admin?: Readonly<Record<string, unknown>>;
  /** Instead of a pool of the general type. */
  readonly pool?: Readonly<Record<string, unknown>>;
}

async function startLink(stack: AsyncDisposableStack, link: Link): Promise<RunningGateway> {
  return stack.adopt(
    await startGateway({
      config: (places) =>
        testConfig(link.port === undefined ? places : { ...places, port: link.port }, {
          server: { name: link.name, workers: 1, trusted_proxies: link.trusts ?? [] },
          admin: link.admin,
          pools: {
            p: link.pool ?? customPool(link.upstreams, { retry: { attempts: link.attempts ?? 3, backoff: "1ms" } }),
          },
          listeners: link.listeners ?? [{ name: "l", prefix: "/", pool: "p" }],
        }),
    }),
    (running) => running.close(),
  );
}

async function startOrigin(stack: AsyncDisposableStack, handler: ScriptedHandler): Promise<ScriptedOrigin> {
  return stack.adopt(await startScriptedOrigin(handler), (origin) => origin.close());
}

Deno.test("two gateways that lead to each other answer 508 at once, also for requests that would wait for one another", async () => {
  await using stack = new AsyncDisposableStack();
  const [portA, portB] = [freePort(), freePort()];
  await startLink(stack, { name: "a", port: portA, upstreams: [{ url: `http://127.0.0.1:${portB}`, usher: true }] });
  await startLink(stack, { name: "b", port: portB, upstreams: [{ url: `http://127.0.0.1:${portA}`, usher: true }] });
  const answers = await Promise.all([
    fetched(`http://127.0.0.1:${portA}/same`),
    fetched(`http://127.0.0.1:${portA}/same`),
    fetched(`http://127.0.0.1:${portB}/other`),
    fetched(`http://127.0.0.1:${portA}/posted`, { method: "POST", body: "x" }),
  ]);
  assert.deepEqual(answers.map(({ status }) => status), [508, 508, 508, 508]);
});

Deno.test("Via and Cache-Status of a chain list every gateway, the origin's side first, on misses and on hits", async () => {
  await using stack = new AsyncDisposableStack();
  const origin = await startOrigin(
    stack,
    (exchange) => exchange.reply({ body: "film", fields: [["cache-control", "max-age=60"], ["etag", '"1"']] }),
  );
  const inner = await startLink(stack, { name: "inner", upstreams: [origin.url] });
  const outer = await startLink(stack, { name: "outer", upstreams: [{ url: inner.url, usher: true }] });
  const miss = await fetched(`${outer.url}/film`);
  assert.match(miss.cacheStatus, /^inner; fwd=uri-miss; stored[^,]*, outer; fwd=uri-miss; stored[^,]*$/);
  assert.equal(miss.headers.get("via"), "1.1 inner, 1.1 outer");
  for (let turn = 0; turn < 2; turn++) {
    const hit = await fetched(`${outer.url}/film`);
    assert.match(hit.cacheStatus, /^inner; fwd=uri-miss; stored[^,]*, outer; hit; ttl=\d+; detail=memory$/);
    assert.equal(hit.headers.get("via"), "1.1 inner, 1.1 outer");
  }
  const near = await fetched(`${inner.url}/film`);
  assert.match(near.cacheStatus, /^inner; hit; [^,]*$/);
  assert.equal(origin.heads.length, 1);
  assert.equal(fieldValue(origin.heads[0]!.fields, "via"), "1.1 outer, 1.1 inner");
  assert.equal(fieldValue(origin.heads[0]!.fields, "cdn-loop")?.split(",").length, 2);
  assert.equal(fieldValue(origin.heads[0]!.fields, "x-usher-attempt"), null);
});

/** Two ways into one inner gateway, which has two upstreams that fail, and an outer one in front of both. */
async function failingChain(stack: AsyncDisposableStack, trusts: readonly string[]) {
  const fail: ScriptedHandler = (exchange) => exchange.reply({ status: 500, body: "broken" });
  const origins = [await startOrigin(stack, fail), await startOrigin(stack, fail)];
  const inner = await startLink(stack, {
    name: "inner",
    upstreams: origins.map(({ url }) => url),
    attempts: 2,
    trusts,
    listeners: ["one", "two"].map((name) => ({ name, prefix: `/${name}`, strip_prefix: true, pool: "p" })),
  });
  const upstreams = ["one", "two"].map((name) => ({ url: `${inner.url}/${name}`, usher: true }));
  const outer = await startLink(stack, { name: "outer", upstreams, attempts: 2 });
  return { outer, inner, asked: () => origins.reduce((sum, { heads }) => sum + heads.length, 0) };
}

Deno.test("a failure is not tried again by each gateway of a chain, if the inner one trusts the outer one", async () => {
  await using stack = new AsyncDisposableStack();
  const { outer, inner, asked } = await failingChain(stack, ["127.0.0.0/8"]);
  assert.equal((await fetched(`${outer.url}/x`)).status, 500);
  // Once for the outer gateway's first try, and all that the inner one can do for its last.
  assert.equal(asked(), 3);
  assert.equal((await fetched(`${inner.url}/one/y`)).status, 500);
  assert.equal(asked(), 5);
  const forged = await fetched(`${inner.url}/one/z`, { headers: { "x-usher-attempt": "1" } });
  assert.equal(forged.status, 500);
  assert.equal(asked(), 6);
});

Deno.test("what an address says that is not trusted changes nothing of the tries", async () => {
  await using stack = new AsyncDisposableStack();
  const { inner, asked } = await failingChain(stack, []);
  assert.equal((await fetched(`${inner.url}/one/x`, { headers: { "x-usher-attempt": "1" } })).status, 500);
  assert.equal(asked(), 2);
});

Deno.test("an outer gateway with no other upstream leaves the trying to the inner one", async () => {
  await using stack = new AsyncDisposableStack();
  const bad = await startOrigin(stack, (exchange) => exchange.reply({ status: 503, body: "broken" }));
  const good = await startOrigin(stack, (exchange) => exchange.reply({ body: "fine" }));
  const inner = await startLink(stack, { name: "inner", upstreams: [bad.url, good.url], trusts: ["127.0.0.0/8"] });
  const outer = await startLink(stack, { name: "outer", upstreams: [{ url: inner.url, usher: true }] });
  // The choice between two equals is random: on until the failing one was asked once.
  for (let n = 0; n < 200 && bad.heads.length === 0; n++) {
    assert.equal((await fetched(`${outer.url}/${n}`)).status, 200);
  }
  assert.ok(bad.heads.length > 0);
  assert.ok([...bad.heads, ...good.heads].every(({ fields }) => fieldValue(fields, "x-usher-attempt") === null));
});

Deno.test("a purge reaches the gateways behind before this one, with their own credentials, and ends in a ring", async () => {
  await using stack = new AsyncDisposableStack();
  const state = { version: 1 };
  const origin = await startOrigin(
    stack,
    (exchange) => exchange.reply({ body: `v${state.version}`, fields: [["cache-control", "max-age=600"]] }),
  );
  const [outerAdmin, innerAdmin] = [freePort(), freePort()];
  const at = (port: number) => `http://127.0.0.1:${port}`;
  const inner = await startLink(stack, {
    name: "inner",
    upstreams: [origin.url],
    admin: {
      listen: `127.0.0.1:${innerAdmin}`,
      token: "inner-secret",
      peers: [{ url: at(outerAdmin), token: "outer-secret" }],
    },
  });
  const outer = await startLink(stack, {
    name: "outer",
    upstreams: [{ url: inner.url, usher: true }],
    admin: {
      listen: `127.0.0.1:${outerAdmin}`,
      token: "outer-secret",
      peers: [{ url: at(innerAdmin), token: "inner-secret" }],
    },
  });
  const film = async () => new TextDecoder().decode((await fetched(`${outer.url}/film`)).bytes);
  assert.equal(await film(), "v1");
  state.version = 2;
  assert.equal(await film(), "v1");
  const purge = await fetch(`${at(outerAdmin)}/purge`, {
    method: "POST",
    headers: { authorization: "Bearer outer-secret", "content-type": "application/json" },
    body: JSON.stringify({ prefix: "/", hard: true }),
  });
  const told = await purge.json();
  assert.deepEqual([purge.status, told.peers], [200, [{ peer: at(innerAdmin), ok: true, problem: null }]]);
  assert.equal(await film(), "v2");
  for (const link of [inner, outer]) {
    await link.logged("audit=purge");
    assert.equal(link.log().split("audit=purge").length - 1, 1, link.log());
    assert.doesNotMatch(link.log(), /-secret/);
  }
});

Deno.test("a purge is done here also where a peer refuses or is gone, and says so", async () => {
  await using stack = new AsyncDisposableStack();
  const origin = await startOrigin(stack, (exchange) => exchange.reply({ body: "x" }));
  const stranger = await startOrigin(stack, (exchange) => exchange.reply({ status: 401 }));
  const gone = freePort();
  const adminPort = freePort();
  const peers = [{ url: stranger.url, token: "wrong" }, { url: `http://127.0.0.1:${gone}` }];
  const link = await startLink(stack, {
    name: "l",
    upstreams: [origin.url],
    admin: { listen: `127.0.0.1:${adminPort}`, peers },
  });
  const purge = await fetch(`http://127.0.0.1:${adminPort}/purge`, {
    method: "POST",
    body: '{"all":true}',
    headers: { "content-type": "application/json" },
  });
  const told = await purge.json();
  assert.equal(purge.status, 200);
  assert.deepEqual(told.peers.map(({ problem }: { problem: string }) => problem), ["status 401", "cannot be reached"]);
  await link.logged("A peer did not purge");
  await link.logged("outcome=done");
});

Deno.test("what was purged and had to stand in is no fresh copy for the gateway before, whatever its own lifetimes say", async () => {
  await using stack = new AsyncDisposableStack();
  const state = { version: 1, isBroken: false };
  const origin = await startOrigin(stack, (exchange) => {
    if (state.isBroken) return exchange.reply({ status: 503, body: "broken" });
    const etag = `"${state.version}"`;
    const fields: [string, string][] = [["content-type", "application/json"], ["etag", etag], ["age", "7"]];
    if (fieldValue(exchange.head.fields, "if-none-match") === etag) return exchange.reply({ status: 304, fields });
    return exchange.reply({ fields, body: JSON.stringify({ version: state.version }) });
  });
  const tmdb = (upstream: unknown) => ({ type: "tmdb-api", health: false, upstreams: [upstream], key_mode: "pass" });
  const inner = await startLink(stack, { name: "inner", upstreams: [], pool: tmdb(origin.url) });
  const outer = await startLink(stack, {
    name: "outer",
    upstreams: [],
    pool: tmdb({ url: inner.url, usher: true }),
  });
  const version = async () => {
    const { bytes, headers } = await fetched(`${outer.url}/3/movie/550`);
    return [JSON.parse(new TextDecoder().decode(bytes)).version, headers.get("cache-control")];
  };
  const purge = (link: RunningGateway) =>
    fetched(`${link.adminUrl}/purge`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: '{"tag":"movie:550"}',
    });
  await fetched(`${inner.url}/3/movie/550`);
  await purge(inner);
  state.isBroken = true;
  assert.deepEqual(await version(), [1, "public, max-age=0"]);
  state.isBroken = false;
  // What it validates with comes back as 304.
  await eventually("it is fresh again", async () => (await version())[1] !== "public, max-age=0");
  for (const link of [inner, outer]) await purge(link);
  Object.assign(state, { version: 2, isBroken: true });
  for (let turn = 0; turn < 3; turn++) assert.deepEqual(await version(), [1, "public, max-age=0"]);
  state.isBroken = false;
  await eventually("the next version is there", async () => (await version())[0] === 2);
});
