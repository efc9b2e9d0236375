import assert from "node:assert/strict";
import { explainRequest } from "../../lib/inspect/asked_url.ts";
import { lookup } from "../../lib/inspect/lookup.ts";
import type { HeldResponse, LookUpOrder } from "../../lib/workers/messages.ts";
import type { WorkerLookUp } from "../../lib/workers/supervisor/fleet_calls.ts";
import { configOf } from "../gateway/config_of.ts";

const KEY = "0123456789abcdef0123456789abcdef";
const config = await configOf({
  pools: {
    api: { type: "tmdb-api", api_keys: [KEY], upstreams: ["https://api.example"] },
    files: { type: "custom", health: false, upstreams: ["http://127.0.0.1:9"] },
  },
  listeners: [
    { name: "api", listen: "127.0.0.1:6635", prefix: "/3", pool: "api" },
    { name: "files", listen: "127.0.0.1:6634", prefix: "/files", pool: "files" },
    { name: "copy", listen: "127.0.0.1:6633", prefix: "/files", pool: "files" },
  ],
});

const HELD: HeldResponse = {
  tier: "memory",
  kind: "response",
  key: "files\0\0/a",
  status: 200,
  contentType: "text/plain",
  etag: null,
  lastModified: null,
  bytes: 9,
  responseTimeMs: 1_000,
  ageMs: 70_500,
  lifetimeMs: 60_000,
  staleWhileRevalidateMs: 30_000,
  staleIfErrorMs: 20_000,
  isPurged: false,
  selectedBy: [],
  tags: [],
  isSelected: true,
  verdict: "stale_while_revalidate",
  hits: 3,
};

/** What two workers say, of which the second one holds what it is told; and what they were asked. */
async function looked(url: string, held: readonly HeldResponse[], more: Partial<WorkerLookUp["result"]> = {}) {
  const orders: LookUpOrder[] = [];
  const view = await lookup({
    ruleNames: (_, rule) => `rule ${rule + 1}`,
    config,
    request: explainRequest(url, "GET", new Headers()),
    lookUp: (order) => {
      orders.push(order);
      const listener = config.listeners.find(({ listen, prefix }) =>
        order.address === `127.0.0.1:${(listen as { port: number }).port}` &&
        new URL(order.url).pathname.startsWith(prefix)
      );
      if (listener === undefined) return Promise.resolve([]);
      const named = {
        listener: listener.name,
        pool: listener.pool,
        key: `${listener.name}\0\0/a`,
        variesBy: [],
        ...more,
      };
      return Promise.resolve([
        { worker: "serving-0", result: { ...named, held: held.filter(({ tier }) => tier === "disk") } },
        { worker: "serving-1", result: { ...named, held } },
      ]);
    },
  });
  return { view, orders };
}

Deno.test("lookup() says where a request comes in, who takes it, and what is left of its times", async () => {
  const { view, orders } = await looked("http://127.0.0.1:6634/files/a?b=1", [HELD]);
  const fields = [["host", "127.0.0.1:6634"]];
  assert.deepEqual(orders, [
    { address: "127.0.0.1:6634", method: "GET", url: "http://127.0.0.1:6634/files/a?b=1", fields },
  ]);
  assert.deepEqual([view.listener, view.address, view.pool, view.workers], ["files", "127.0.0.1:6634", "files", 2]);
  assert.equal(view.key, "files | (any host) | /a");
  const [stored] = view.stored;
  assert.deepEqual([stored!.worker, stored!.hits, stored!.fresh, stored!.age_seconds], ["serving-1", 3, false, 70]);
  assert.equal(stored!.stored_at, "1970-01-01T00:00:01.000Z");
  // Ten and a half of the thirty seconds are over.
  assert.equal(stored!.stale_usable_seconds, 19);
  assert.equal(view.explain.served[0]!.listener, "files");
});

Deno.test("lookup() of a path looks at every address, and says where else it would be taken", async () => {
  const { view, orders } = await looked("/files/a", []);
  assert.deepEqual(orders.map(({ address, url }) => [address, url]), [
    ["127.0.0.1:6635", "http://127.0.0.1:6635/files/a"],
    ["127.0.0.1:6634", "http://127.0.0.1:6634/files/a"],
    ["127.0.0.1:6633", "http://127.0.0.1:6633/files/a"],
  ]);
  assert.deepEqual([view.listener, view.stored], ["files", []]);
  assert.deepEqual(view.elsewhere, [{ listener: "copy", address: "127.0.0.1:6633" }]);
  const nowhere = (await looked("/nowhere", [HELD])).view;
  assert.deepEqual([nowhere.listener, nowhere.key, nowhere.workers, nowhere.stored], [null, null, 0, []]);
  assert.match(nowhere.explain.nearest ?? "", /prefix/);
});

Deno.test("lookup() shows what lies on the disk once, as the worker says that knows the latest", async () => {
  const disk: HeldResponse = { ...HELD, tier: "disk", hits: null };
  const { view } = await looked("http://127.0.0.1:6634/files/a", [
    { ...disk, isSelected: false, verdict: null, key: "files\0\0/a\0dnt", selectedBy: [["dnt", null]] },
    disk,
    { ...disk, responseTimeMs: 5_000 },
    HELD,
  ], { variesBy: ["dnt"] });
  assert.deepEqual(view.varies_by, ["dnt"]);
  assert.deepEqual(view.stored.map(({ tier, worker, stored_at, variants }) => [tier, worker, stored_at, variants]), [
    ["memory", "serving-1", "1970-01-01T00:00:01.000Z", []],
    ["disk", null, "1970-01-01T00:00:05.000Z", []],
    ["disk", null, "1970-01-01T00:00:01.000Z", ["no dnt"]],
  ]);
});

Deno.test("lookup() shows no key of the pool, no token and no credential that selects a variant", async () => {
  const secret = "q7Hs0vKx2LmW9tYb4RcZ8eNd";
  const { view } = await looked(`http://127.0.0.1:6635/3/movie/1?api_key=${KEY}&token=${secret}`, [{
    ...HELD,
    tags: [`x?token=${secret}`],
    selectedBy: [["authorization", secret], ["cookie", `a=${secret}`], ["x-old", `key=${KEY}`], ["dnt", "1"]],
  }], {
    listener: "api",
    pool: "api",
    key: `api\0\0/3/movie/1?api_key=${KEY}&token=${secret}\0~rules:00ff`,
  });
  assert.doesNotMatch(JSON.stringify(view), new RegExp(`${secret}|${KEY}`));
  assert.equal(
    view.key,
    "api | (any host) | /3/movie/1?api_key=<key 1 of 1>&token=[redacted] | ~rules:00ff",
  );
  assert.deepEqual(view.stored[0]!.variants.slice(0, 2), ["authorization: [redacted]", "cookie: [redacted]"]);
  assert.equal(view.stored[0]!.variants.at(-1), "dnt: 1");
});
