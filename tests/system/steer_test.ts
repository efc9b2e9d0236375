import assert from "node:assert/strict";
import type { LookupView } from "../../lib/inspect/lookup.ts";
import { type ScriptedOrigin, startScriptedOrigin } from "../origins/scripted_origin.ts";
import { eventually } from "../eventually.ts";
import { type CommandResult, runMain } from "./_command.ts";
import { type GatewayPlaces, type RunningGateway, startGateway } from "./_gateway.ts";
import { PATIENT, testConfig } from "./test_config.ts";

const SECRET = "q7Hs0vKx2LmW9tYb4RcZ8eNd";

/** An origin with pages that may be stored, one in two languages, one that waits for `gate`, and what nobody may store. */
async function startOrigin(gate: Promise<void>) {
  return await startScriptedOrigin(async (exchange) => {
    const { target, fields } = exchange.head;
    if (target.startsWith("/held")) await gate;
    const language = fields.find(([name]) => name === "accept-language")?.[1];
    const isStored = target.startsWith("/page");
    await exchange.reply({
      fields: [
        ["content-type", "text/plain"],
        ["cache-control", isStored ? "max-age=600, stale-while-revalidate=60" : "no-store"],
        ["etag", '"1"'],
        ...(target.startsWith("/page/vary") ? [["vary", "accept-language"] as [string, string]] : []),
      ],
      body: `${target} in ${language}`,
    });
  });
}

function configOf(places: GatewayPlaces, upstreams: readonly string[], interval = "1h"): string {
  return testConfig(places, {
    pools: {
      p: {
        type: "custom",
        strategy: "round-robin",
        upstreams,
        health: { path: "/well", interval, unhealthy_interval: interval },
        timeouts: PATIENT,
      },
    },
    listeners: [{ name: "l", prefix: "/", pool: "p", cache: { mode: "rfc9111" } }],
  });
}

/** What an origin was asked for by requests, checks left out. */
function asked({ heads }: ScriptedOrigin, path = "/load"): number {
  return heads.filter(({ target }) => target.startsWith(path)).length;
}

/** Requests on connections of their own, so that both workers get some. */
async function load(gateway: RunningGateway, count: number): Promise<number[]> {
  const statuses: number[] = [];
  for (let turn = 0; turn < count; turn++) {
    const response = await fetch(`${gateway.url}/load/${turn}`, { headers: { connection: "close" } });
    await response.body?.cancel();
    statuses.push(response.status);
  }
  return statuses;
}

async function post(gateway: RunningGateway, path: string, body: unknown) {
  const response = await fetch(`${gateway.adminUrl}/api/v1${path}`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(body),
  });
  return { status: response.status, value: await response.json() };
}

async function upstreamsOf(gateway: RunningGateway) {
  const { upstreams } = await (await fetch(`${gateway.adminUrl}/api/v1/pools/p`)).json();
  return upstreams as { url: string; drained: { since: string; by: string } | null; share: number; checks: number }[];
}

async function lookup(gateway: RunningGateway, path: string, fields?: Record<string, string>): Promise<LookupView> {
  const { status, value } = await post(gateway, "/cache/lookup", { url: `${gateway.url}${path}`, fields });
  assert.equal(status, 200, JSON.stringify(value));
  return value;
}

/** Where what is stored for the request lies, in the order of the look-up. */
function places({ stored }: LookupView): string[] {
  return stored.map(({ tier, selected, variants }) => [tier, ...selected ? [] : variants].join(" "));
}

Deno.test("an upstream is drained, checked and given requests again; one request is looked up: in memory, on disk, gone", async (t) => {
  await using stack = new AsyncDisposableStack();
  const gate = Promise.withResolvers<void>();
  const adopt = async () => stack.adopt(await startOrigin(gate.promise), (origin) => origin.close());
  const [one, two] = [await adopt(), await adopt()] as const;
  let written!: GatewayPlaces;
  const config = (given: GatewayPlaces) => configOf(written = given, [one.url, two.url]);
  let gateway = await startGateway({ config });
  stack.defer(() => gateway.close());
  const command = (...args: string[]): Promise<CommandResult> => runMain([...args, "--config", gateway.configPath]);
  const drain = (url: string, action = "drain") => post(gateway, `/pools/p/${action}`, { upstream: url });
  const reload = async (yaml: string) => {
    await gateway.writeConfig(yaml);
    const { status, value } = await post(gateway, "/reload", {});
    assert.equal(status, 200, JSON.stringify(value));
  };

  await t.step("drain: from its answer on nothing new goes there, from no worker; what is under way ends", async () => {
    assert.deepEqual((await upstreamsOf(gateway)).map(({ share, drained }) => [share, drained]), [[0.5, null], [
      0.5,
      null,
    ]]);
    await load(gateway, 8);
    assert.ok(asked(one) > 0 && asked(two) > 0);
    const held = [0, 1, 2, 3].map((n) => fetch(`${gateway.url}/held/${n}`));
    await eventually("some are held at the first", () => asked(one, "/held") + asked(two, "/held") === 4);
    const { status, value } = await drain(one.url);
    assert.deepEqual([status, value.workers, value.left, value.persisted], [200, 2, 1, true]);
    const before = asked(one);
    assert.ok((await load(gateway, 20)).every((given) => given === 200));
    assert.equal(asked(one), before);
    gate.resolve();
    for (const response of await Promise.all(held)) assert.match(await response.text(), /^\/held\/\d/);
  });

  await t.step("it is shown everywhere: status, share, metrics, the command, the log", async () => {
    const [first, second] = await upstreamsOf(gateway);
    assert.deepEqual([first!.share, second!.share, first!.drained?.by], [0, 1, "127.0.0.1"]);
    const metrics = await (await fetch(`${gateway.adminUrl}/metrics`)).text();
    assert.ok(metrics.includes(`usher_upstream_drained{pool="p",upstream="${one.url}"} 1`));
    assert.ok(metrics.includes(`usher_upstream_share{pool="p",upstream="${two.url}"} 1`));
    const { stdout } = await command("status");
    assert.match(stdout, /drained since \S+ by\s+127\.0\.0\.1: gets no requests/);
    assert.match(gateway.log(), /audit=drain actor=127\.0\.0\.1 pool=p upstream=\S+ outcome=done workers=2 left=1/);
  });

  await t.step("check now: one more check of the drained one, by the health worker", async () => {
    const { checks } = (await upstreamsOf(gateway))[0]!;
    const { status, value } = await drain(one.url, "check");
    assert.deepEqual([status, value.ok, value.detail], [200, true, ""]);
    assert.ok(value.ms >= 0);
    await eventually("it is counted", async () => (await upstreamsOf(gateway))[0]!.checks === checks + 1);
    one.handle((exchange) => exchange.reply({ status: 503 }));
    const ill = await command("check-now", "p", one.url);
    assert.deepEqual([ill.code, ill.stdout], [1, ""]);
    assert.match(ill.stderr, /is not well, \S+ ms: status 503/);
    one.handle((exchange) => exchange.reply({ body: "x" }));
    await drain(one.url, "check");
  });

  await t.step("the last one may be drained too: what is not stored is answered with 503 and what to do", async () => {
    await (await fetch(`${gateway.url}/page/kept`)).text();
    const { stdout, code } = await command("drain", "p", two.url);
    assert.deepEqual([code, /is answered with 503/.test(stdout)], [0, true], stdout);
    const refused = await fetch(`${gateway.url}/load/x`);
    assert.equal(refused.status, 503);
    assert.match(await refused.text(), /has drained the upstreams of pool.*usher undrain/);
    assert.equal((await fetch(`${gateway.url}/page/kept`)).status, 200);
    assert.equal((await command("undrain", "p", two.url)).code, 0);
    assert.deepEqual(await load(gateway, 2), [200, 200]);
    assert.equal((await drain("http://nobody.example")).status, 404);
  });

  await t.step("look-up: a hit in memory and on disk, without a use of it and without a request upstream", async () => {
    for (let turn = 0; turn < 5; turn++) await (await fetch(`${gateway.url}/page/a?token=${SECRET}`)).text();
    await eventually(
      "it is on disk",
      async () => places(await lookup(gateway, `/page/a?token=${SECRET}`)).includes("disk"),
    );
    const counted = async () => {
      const { requests, cache } = (await gateway.status()).listeners[0]!;
      const results = Object.entries(cache).filter(([name, value]) => typeof value === "number" && !/rate/.test(name));
      return [one.heads.length, two.heads.length, requests, results, cache["forwarded"]];
    };
    const before = await counted();
    const view = await lookup(gateway, `/page/a?token=${SECRET}`);
    const again = await lookup(gateway, `/page/a?token=${SECRET}`);
    assert.deepEqual(await counted(), before);
    const inMemory = view.stored.filter(({ tier }) => tier === "memory");
    const hits = ({ stored }: LookupView) => stored.reduce((sum, each) => sum + (each.hits ?? 0), 0);
    assert.ok(inMemory.length > 0 && inMemory.every(({ worker }) => worker!.startsWith("serving-")));
    assert.ok(hits(view) >= 1 && hits(view) === hits(again), `${hits(view)}, then ${hits(again)}`);
    const [{ age_seconds: age, stored_at: _at, worker: _worker, hits: _hits, ...facts }] = inMemory as [
      typeof inMemory[0],
    ];
    assert.ok(age >= 0 && age < 600);
    assert.deepEqual(facts, {
      ...{ tier: "memory", kind: "response", selected: true, verdict: "hit", status: 200, content_type: "text/plain" },
      ...{ bytes: `/page/a?token=${SECRET} in *`.length, lifetime_seconds: 600, fresh: true, purged: false },
      ...{ stale_while_revalidate_seconds: 60, stale_if_error_seconds: 0, stale_usable_seconds: 60 },
      ...{ variants: [], tags: [], etag: '"1"', last_modified: null },
    });
    assert.deepEqual([view.listener, view.pool, view.workers], ["l", "p", 2]);
    assert.match(view.key!, /^l \| \S+ \| \/page\/a\?token=\[redacted\]$/);
    assert.equal(view.explain.served[0]!.listener, "l");
    const shown = await command("lookup", `${gateway.url}/page/a?token=${SECRET}`, "--explain");
    assert.equal(shown.code, 0, shown.stderr);
    assert.match(shown.stdout, /memory +serving-\d +fresh +200[^]*verdict +hit, for this request[^]*takes it/);
    assert.doesNotMatch(JSON.stringify([view, shown]) + gateway.log(), new RegExp(SECRET));
  });

  await t.step("look-up: the variants of a response, the one that the request selects first", async () => {
    for (const language of ["de", "fr"]) {
      await (await fetch(`${gateway.url}/page/vary`, { headers: { "accept-language": language } })).text();
    }
    const wanted = ["disk", "disk accept-language: de", "memory", "memory accept-language: de"];
    await eventually("both are on disk", async () => {
      const found = places(await lookup(gateway, "/page/vary", { "accept-language": "fr" }));
      return JSON.stringify([...new Set(found)].sort()) === JSON.stringify(wanted);
    });
    const { varies_by: names, stored } = await lookup(gateway, "/page/vary", { "accept-language": "fr" });
    assert.deepEqual(names, ["accept-language"]);
    assert.deepEqual([stored[0]!.selected, stored[0]!.variants], [true, ["accept-language: fr"]]);
    assert.ok(stored.filter(({ selected }) => !selected).every(({ verdict }) => verdict === null));
    assert.equal((await lookup(gateway, "/page/vary")).stored.some(({ selected }) => selected), false);
  });

  await t.step(
    "look-up: what is purged softly is stale, what is purged for good is gone; what was never there is not",
    async () => {
      const first = async () => (await lookup(gateway, "/page/kept")).stored[0];
      assert.equal((await first())!.fresh, true);
      await post(gateway, "/purge", { url: "/page/kept" });
      const { fresh, purged, verdict } = (await first())!;
      assert.deepEqual([fresh, purged, verdict], [false, true, "stale_while_revalidate"]);
      await post(gateway, "/purge", { url: "/page/kept", hard: true });
      assert.deepEqual((await lookup(gateway, "/page/kept")).stored, []);
      const never = await lookup(gateway, "/page/never");
      assert.deepEqual([never.stored, never.listener, never.workers], [[], "l", 2]);
      assert.equal((await post(gateway, "/cache/lookup", { url: "ftp://x" })).status, 422);
    },
  );

  await t.step(
    "both outlive a reload and a restart: the drain goes on, and what is stored lies on disk alone",
    async () => {
      await reload(configOf(written, [one.url, two.url], "30m"));
      const before = asked(one);
      await load(gateway, 6);
      assert.equal(asked(one), before);
      const { directory, port } = gateway;
      gateway.signal("SIGTERM");
      assert.equal(await gateway.ended(), 0);
      gateway = await startGateway({ config, directory });
      await gateway.logged("An upstream is still drained: it gets no requests pool=p");
      await load(gateway, 6);
      assert.equal(asked(one), before);
      // The host is part of the key, and the port another one now.
      const fields = { "accept-language": "de", host: `127.0.0.1:${port}` };
      const { stored, varies_by: names } = await lookup(gateway, "/page/vary", fields);
      assert.deepEqual(names, ["accept-language"]);
      assert.deepEqual(
        stored.map(({ tier, worker, hits, verdict, variants }) => [tier, worker, hits, verdict, variants]),
        [
          ["disk", null, null, "hit", ["accept-language: de"]],
        ],
      );
      assert.deepEqual((await gateway.status()).cache.memory.entries, 0, "it was not brought into memory");
    },
  );

  await t.step(
    "a drained upstream that leaves the configuration is forgotten, and undrain moves the share back",
    async () => {
      await reload(configOf(written, [two.url]));
      await gateway.logged("A drained upstream has left the configuration: its drain is forgotten pool=p");
      // Not the area of stored responses, whose level may be another one.
      assert.match(gateway.log(), /drain is forgotten pool=p upstream=\S+ area=upstream\n/);
      await reload(configOf(written, [one.url, two.url]));
      assert.deepEqual((await upstreamsOf(gateway)).map(({ drained }) => drained), [null, null]);
      await drain(one.url);
      assert.equal((await upstreamsOf(gateway))[0]!.share, 0);
      const { value } = await drain(one.url, "undrain");
      assert.deepEqual([value.drained, value.left], [null, 2]);
      assert.ok((await upstreamsOf(gateway))[0]!.share > 0);
      const before = asked(one);
      await eventually("it gets requests again", async () => {
        await load(gateway, 4);
        return asked(one) > before;
      });
    },
  );
});
