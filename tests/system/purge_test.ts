import assert from "node:assert/strict";
import { filePath } from "../origins/artwork.ts";
import { demoApiKey, startTmdbOrigin } from "../origins/tmdb_origin.ts";
import { runMain } from "./_command.ts";
import { eventually } from "../eventually.ts";
import { startGateway } from "./_gateway.ts";
import { sharedByTests } from "./_shared.ts";
import { testConfig } from "./test_config.ts";
import { ask, postAdmin, startVersioned, startVersionedOrigin, versionedConfig, warm } from "./_versioned_origin.ts";

/** Orders, what they purge, and what they must leave alone. */
const ORDERS: ReadonlyArray<
  readonly [order: Record<string, unknown>, purged: readonly string[], kept: readonly string[]]
> = [
  [{ url: "/a/1?x=1" }, ["/a/1?x=1"], ["/a/1", "/a/1?x=2", "/s/a/1?x=1"]],
  [{ url: "http://gateway.test/s/a/1" }, ["/s/a/1"], ["/a/1", "/s/a/2"]],
  [{ prefix: "/a/" }, ["/a/1", "/a/1?x=1"], ["/b/1", "/s/a/1"]],
  [{ prefix: "/s/a" }, ["/s/a/1", "/s/a/2"], ["/a/1", "/s/b"]],
  [{ glob: "/*/1" }, ["/a/1", "/b/1"], ["/b/2", "/s/a/1"]],
  [{ glob: "/s/**/1" }, ["/s/a/1"], ["/s/a/2", "/a/1"]],
  [{ tag: "page/tagged/1" }, ["/tagged/1", "/s/tagged/1"], ["/tagged/2", "/a/1"]],
  [{ tag: "all", listener: "any" }, ["/tagged/1", "/tagged/2"], ["/s/tagged/1", "/a/1"]],
  [{ listener: "stripped" }, ["/s/a/1", "/s/b"], ["/a/1", "/b/1"]],
  [{ all: true }, ["/a/1", "/s/a/1", "/tagged/1"], []],
];

const shared = sharedByTests((stack) => startVersioned(stack));
const sharedWithToken = sharedByTests((stack) =>
  startVersioned(stack, {
    listeners: [{ name: "films", prefix: "/films", pool: "any" }],
    admin: { token: "t0ken" },
  })
);

/** The gateway of several tests, with nothing stored, and its origin at its first version. */
async function nothingStored(): ReturnType<typeof startVersioned> {
  const { origin, gateway } = await shared();
  Object.assign(origin, { version: 1, latencyMs: 0 });
  await postAdmin(gateway, "/purge", { all: true, hard: true });
  return { origin, gateway };
}

Deno.test("POST /purge is effective in every worker when it returns, for what it names and nothing else", async (test) => {
  const { origin, gateway } = await shared();
  const age = (text: string) => Number(/v(\d+)$/.exec(text)?.[1]);
  for (const [order, purged, kept] of ORDERS) {
    for (const hard of [true, false]) {
      await test.step(`${JSON.stringify(order)}${hard ? " hard" : ""}`, async () => {
        for (const target of [...purged, ...kept]) await warm(gateway, target);
        origin.version++;
        const { status, value } = await postAdmin(gateway, "/purge", { ...order, hard });
        assert.equal(status, 200, JSON.stringify(value));
        assert.equal(value["workers"], 3);
        assert.equal(value["persisted"], true);
        for (const target of purged) {
          for (let n = 0; n < 12; n++) {
            const { text, cacheStatus } = await ask(gateway, target);
            assert.equal(age(text), origin.version, `${target} is as before the purge: ${cacheStatus}`);
          }
        }
        for (const target of kept) assert.match((await ask(gateway, target)).cacheStatus, /; hit/, target);
      });
    }
  }
  await gateway.logged('by=all value="" listener=null hard=false');
  const lines = gateway.log().split("\n").filter((line) => line.includes("audit=purge"));
  assert.equal(lines.length, ORDERS.length * 2);
  assert.match(
    lines[0]!,
    /actor=127\.0\.0\.1 by=url value=\/a\/1\?x=1 .*hard=true outcome=done workers=3 persisted=true/,
  );
});

Deno.test("a soft purge validates at the next use, and what is stale may stand in when no upstream answers", async () => {
  await using stack = new AsyncDisposableStack();
  const { origin, gateway } = await startVersioned(stack);
  origin.control = "max-age=600, stale-if-error=600";
  await warm(gateway, "/a");
  const asked = origin.heads.length;
  await postAdmin(gateway, "/purge", { url: "/a" });
  origin.isBroken = true;
  const standIn = await ask(gateway, "/a");
  assert.equal(standIn.text, "/a v1");
  assert.match(standIn.cacheStatus, /stale-if-error/);
  origin.isBroken = false;
  const validated = await ask(gateway, "/a");
  assert.match(validated.cacheStatus, /fwd=stale; fwd-status=304/);
  assert.match(origin.heads.slice(asked).map(({ raw }) => raw).join(), /if-none-match: "v1"/);
  await eventually("every worker serves it again", async () => /; hit/.test((await ask(gateway, "/a")).cacheStatus));
  origin.isBroken = true;
  await postAdmin(gateway, "/purge", { url: "/a", hard: true });
  assert.equal((await ask(gateway, "/a")).status, 503, "after a hard purge there is nothing to stand in");
});

Deno.test("a purge holds after kill -9, and in a worker that comes up while it is made", async () => {
  await using stack = new AsyncDisposableStack();
  const origin = stack.adopt(await startVersionedOrigin(), (running) => running.close());
  const config = (places: Parameters<typeof versionedConfig>[1]) => versionedConfig(origin, places);
  const first = await startGateway({ config });
  for (const target of ["/a", "/b", "/tagged/1"]) await warm(first, target);
  await eventually(
    "they are on disk",
    async () => (await (await fetch(`${first.adminUrl}/status`)).json()).cache.disk.entries >= 3,
  );
  origin.version = 2;
  await postAdmin(first, "/purge", { tag: "all", hard: true });
  await postAdmin(first, "/purge", { url: "/a" });
  first.signal("SIGKILL");
  await first.ended();
  const second = stack.adopt(await startGateway({ config, directory: first.directory }), (running) => running.close());
  assert.equal((await ask(second, "/tagged/1")).text, "/tagged/1 v2");
  assert.equal((await ask(second, "/a")).text, "/a v2");
  const kept = await ask(second, "/b");
  assert.deepEqual([kept.text, /; hit/.test(kept.cacheStatus)], ["/b v1", true]);
  origin.version = 3;
  for (const worker of [0, 1, 2]) {
    await fetch(`${second.adminUrl}/test/fault/${worker}/throw`, { method: "POST" });
    await second.logged(`worker=serving-${worker} reason`);
    const { value } = await postAdmin(second, "/purge", { url: "/b", hard: true });
    assert.ok(value["ok"] !== false);
    for (let n = 0; n < 12; n++) assert.equal((await ask(second, "/b")).text, `/b v${origin.version}`);
    await eventually(
      "the worker is back",
      async () => (await second.status()).workers.every(({ state }) => state === "up"),
    );
    for (let n = 0; n < 12; n++) assert.equal((await ask(second, "/b")).text, `/b v${origin.version}`);
    origin.version++;
  }
});

Deno.test("a request after a purge does not join a fetch from before it", async () => {
  const { origin, gateway } = await nothingStored();
  origin.latencyMs = 700;
  const before = ask(gateway, "/slow");
  await eventually("the origin is asked", () => origin.heads.some(({ target }) => target === "/slow"));
  origin.version = 2;
  await postAdmin(gateway, "/purge", { all: true });
  const after = await Promise.all(Array.from({ length: 12 }, () => ask(gateway, "/slow")));
  assert.equal((await before).text, "/slow v1");
  for (const { text } of after) assert.equal(text, "/slow v2");
  for (let n = 0; n < 12; n++) assert.equal((await ask(gateway, "/slow")).text, "/slow v2");
});

Deno.test("POST /purge says what is wrong with an order, as problem details", async () => {
  const { gateway } = await sharedWithToken();
  const send = (init: RequestInit) => fetch(`${gateway.adminUrl}/purge`, { method: "POST", ...init });
  const authorization = "Bearer t0ken";
  const json = { authorization, "content-type": "application/json" };
  const cases: ReadonlyArray<readonly [init: RequestInit, status: number, detail: RegExp]> = [
    [{ headers: { "content-type": "application/json" }, body: '{"all":true}' }, 401, /token/],
    [{ headers: { authorization, "content-type": "text/plain" }, body: '{"all":true}' }, 415, /application\/json/],
    [{ headers: json, body: "{" }, 400, /JSON/],
    [{ headers: json, body: "x".repeat(1_100_000) }, 413, /larger/],
    [{ headers: json, body: "{}" }, 422, /Give one of url, prefix, glob, tag, all/],
    [{ headers: json, body: '{"tag":"a","url":"/b"}' }, 422, /found url and tag/],
    [{ headers: json, body: '{"urll":"/b"}' }, 422, /urll/],
    [{ headers: json, body: '{"glob":"/*a*b*c*d*e*f*g*h*i"}' }, 422, /wildcards/],
    [{ headers: json, body: '{"tag":"a\\u0000b"}' }, 422, /control characters/],
    [{ headers: json, body: '{"listener":"film"}' }, 422, /did you mean "films"/],
    [{ headers: json, body: '{"url":"/elsewhere"}' }, 422, /No listener serves "\/elsewhere"/],
  ];
  for (const [init, status, detail] of cases) {
    const response = await send(init);
    assert.equal(response.headers.get("content-type"), "application/problem+json");
    const problem = await response.json();
    assert.equal(response.status, status, problem.detail);
    assert.match(problem.detail, detail);
  }
});

Deno.test("usher purge asks the running gateway and prints what happened", async () => {
  const { origin, gateway } = await sharedWithToken();
  await warm(gateway, "/films/a");
  origin.version = 2;
  const done = await runMain(["purge", "--prefix", "/films/a", "--hard", "--config", gateway.configPath]);
  assert.equal(done.stderr, "");
  assert.match(
    done.stdout,
    /^Purged prefix \/films\/a of listener films \(removed\) in 3 workers, [\d.]+ ms; 1 response in memory is concerned\n$/,
  );
  assert.equal(done.code, 0);
  assert.equal((await ask(gateway, "/films/a")).text, "/films/a v2");
  const token = ["--admin", gateway.adminUrl, "--token"];
  assert.match((await runMain(["purge", "--all", ...token, "wrong"])).stderr, /refused \(401\).*--token/);
  assert.match((await runMain(["purge", ...token, "t0ken"])).stderr, /Say what to purge: give one of --url, --prefix/);
  assert.match((await runMain(["purge", "--all", "--admin", "http://127.0.0.1:1"])).stderr, /No gateway answers at/);
  assert.match(gateway.log(), /audit=purge actor="127\.0\.0\.1 \(command on this machine\)" by=prefix/);
});

Deno.test("what an unsafe method has changed is served by no worker once it is answered", async () => {
  const { origin, gateway } = await nothingStored();
  const languages = ["de", "en"].map((language) => ({ fields: [["accept-language", language]] as const }));
  for (let round = 0; round < 10; round++) {
    await warm(gateway, "/a");
    for (const options of languages) for (let n = 0; n < 12; n++) await ask(gateway, "/vary", options);
    origin.version++;
    for (const target of ["/a", "/vary"]) assert.equal((await ask(gateway, target, { method: "POST" })).status, 200);
    for (let n = 0; n < 9; n++) {
      assert.equal((await ask(gateway, "/a")).text, `/a v${origin.version}`);
      for (const options of languages) {
        const { text } = await ask(gateway, "/vary", options);
        assert.equal(text, `/vary ${options.fields[0][1]} v${origin.version}`);
      }
    }
  }
});

Deno.test("what was on its way when an unsafe method changed it is not stored, in whatever worker it was", async () => {
  const { origin, gateway } = await nothingStored();
  for (let round = 0; round < 4; round++) {
    const target = `/slow/${round}`;
    origin.latencyMs = 300;
    const before = ask(gateway, target);
    await eventually("the origin is asked", () => origin.heads.some((head) => head.target === target));
    origin.version++;
    origin.latencyMs = 0;
    await ask(gateway, target, { method: "POST" });
    await before;
    for (let n = 0; n < 9; n++) assert.equal((await ask(gateway, target)).text, `${target} v${origin.version}`);
  }
});

Deno.test("a title of TMDB is purged with one tag: its details, its parts, in every language, and nothing else", async () => {
  await using stack = new AsyncDisposableStack();
  const origin = stack.adopt(await startTmdbOrigin(), (running) => running.close());
  const gateway = stack.adopt(
    await startGateway({
      config: (places) =>
        testConfig(places, {
          pools: {
            api: { type: "tmdb-api", api_keys: [demoApiKey], health: false, upstreams: [origin.url] },
            image: { type: "tmdb-image", health: false, upstreams: [origin.url] },
          },
          listeners: [{ name: "api", prefix: "/3", pool: "api" }, { name: "image", prefix: "/t/p", pool: "image" }],
        }),
    }),
    (running) => running.close(),
  );
  const poster = /[A-Za-z0-9]+/.exec(filePath("poster", "movie/550"))![0];
  const fights = ["/3/movie/550", "/3/movie/550?language=de-DE", "/3/movie/550/credits"];
  const others = ["/3/movie/603", "/3/movie/603?language=de-DE", "/3/tv/1399"];
  const images = [`/t/p/w500/${poster}.jpg`, `/t/p/w342/${poster}.jpg`];
  const all = [...fights, ...others, ...images];
  /** Those of the targets that the origin is asked for again. */
  const fetchedAgain = async () => {
    const before = origin.requests.length;
    await Promise.all(all.map((target) => ask(gateway, target)));
    const asked = new Set(origin.requests.slice(before).map(({ target }) => target.replace(/[?&]api_key=[^&]*/, "")));
    return all.filter((target) => asked.has(target));
  };
  for (const target of all) assert.equal((await ask(gateway, target)).status, 200, target);
  await postAdmin(gateway, "/purge", { tag: "movie:550", hard: true });
  assert.deepEqual(await fetchedAgain(), fights);
  await postAdmin(gateway, "/purge", { tag: "lang:de", hard: true });
  assert.deepEqual(await fetchedAgain(), all.filter((target) => target.includes("language=de")));
  await postAdmin(gateway, "/purge", { tag: `img:${poster}`, hard: true });
  assert.deepEqual(await fetchedAgain(), images);
});

Deno.test("the audit line of a purge holds no credential", async () => {
  const { gateway } = await nothingStored();
  await postAdmin(gateway, "/purge", { url: "/a?api_key=0123456789abcdef0123456789abcdef&session_id=5e55104" });
  await gateway.logged("by=url value=/a?api_key=");
  assert.doesNotMatch(gateway.log(), /0123456789abcdef|5e55104/);
});
