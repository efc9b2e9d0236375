import assert from "node:assert/strict";
import { eventually } from "../eventually.ts";
import type { RunningGateway } from "./_gateway.ts";
import { ask, postAdmin, startVersioned } from "./_versioned_origin.ts";

/** A listener's figures, as `/status` gives them. */
interface ListenerFigures {
  readonly hit_rate: number | null;
  readonly hit_rate_1m: number | null;
  readonly hit_rate_1h: number | null;
  readonly hit_memory: number;
  readonly hit_disk: number;
  readonly forwarded: Readonly<Record<string, number>>;
  readonly memory: { readonly entries: number; readonly bytes: number };
  readonly disk: { readonly bytes: number };
}

async function figures(gateway: RunningGateway, listener: string): Promise<ListenerFigures> {
  const { listeners } = await (await fetch(`${gateway.adminUrl}/status`)).json();
  return listeners.find(({ name }: { name: string }) => name === listener).cache;
}

async function series(gateway: RunningGateway): Promise<Map<string, number>> {
  const text = await (await fetch(`${gateway.adminUrl}/metrics`)).text();
  const lines = text.split("\n").filter((line) => line !== "" && !line.startsWith("#"));
  return new Map(
    lines.map((line) => [line.slice(0, line.lastIndexOf(" ")), Number(line.slice(line.lastIndexOf(" ") + 1))]),
  );
}

Deno.test("/status and /metrics tell hits, misses by reason, rates and what is held, per listener and tier", async () => {
  await using stack = new AsyncDisposableStack();
  const { origin, gateway } = await startVersioned(stack, { server: { workers: 1 } });
  for (let n = 0; n < 10; n++) await ask(gateway, `/a/${n % 2}`);
  for (const language of ["de", "en", "de"]) await ask(gateway, "/vary", { fields: [["accept-language", language]] });
  await ask(gateway, "/a/0", { method: "POST" });
  await ask(gateway, "/a/1", { fields: [["cache-control", "no-cache"]] });
  origin.control = "no-store";
  await ask(gateway, "/none");
  const any = await figures(gateway, "any");
  assert.equal(any.hit_memory, 9);
  assert.deepEqual(
    [any.forwarded["uri-miss"], any.forwarded["vary-miss"], any.forwarded["method"], any.forwarded["request"]],
    [4, 1, 1, 1],
    JSON.stringify(any.forwarded),
  );
  const asked = 10 + 3 + 1 + 1;
  assert.equal(any.hit_rate, Math.round(9 / asked * 10_000) / 10_000);
  assert.deepEqual([any.hit_rate_1m, any.hit_rate_1h], [any.hit_rate, any.hit_rate]);
  assert.ok(any.memory.entries >= 3 && any.memory.bytes > 1000);
  await eventually("the disk's figures are read", async () => (await figures(gateway, "any")).disk.bytes > 1000);
  const stripped = await figures(gateway, "stripped");
  assert.deepEqual([stripped.hit_rate, stripped.memory.entries, stripped.disk.bytes], [null, 0, 0]);
  await postAdmin(gateway, "/purge", { tag: "x" });
  const metrics = await series(gateway);
  assert.equal(metrics.get('usher_cache_results_total{listener="any",result="hit_memory"}'), 9);
  assert.equal(metrics.get('usher_forwarded_requests_total{listener="any",reason="uri-miss"}'), 4);
  assert.equal(metrics.get('usher_cache_hit_ratio{listener="any",window="1m"}'), any.hit_rate);
  assert.equal(metrics.get('usher_cache_listener_entries{listener="any",tier="memory"}'), any.memory.entries);
  assert.equal(metrics.get('usher_purges_total{kind="tag"}'), 1);
  assert.equal(metrics.get("usher_purge_rules"), 1);
  assert.equal(metrics.get("usher_cache_disk_problem"), 0);
  const grown = ["evictions_total", "dropped_writes_total", "corrupt_entries_total"];
  for (const name of ["entries", "bytes", "queued_writes", ...grown]) {
    for (const tier of ["memory", "disk"]) assert.ok(metrics.has(`usher_cache_${name}{tier="${tier}"}`), name);
  }
});

Deno.test("no request makes a new series: labels are the configuration's and ours", async () => {
  await using stack = new AsyncDisposableStack();
  const { gateway } = await startVersioned(stack, { server: { workers: 1 } });
  // A histogram begins with the first request of its kind: a miss, a hit, and one that bypasses the cache.
  for (const method of ["GET", "GET", "POST"]) await ask(gateway, "/a", { method });
  const before = [...(await series(gateway)).keys()];
  for (let n = 0; n < 150; n++) {
    await ask(gateway, `/${n}?x=${n}`, { method: n % 3 === 0 ? "POST" : "GET", fields: [["x-request-id", `r${n}`]] });
    if (n % 10 === 0) await postAdmin(gateway, "/purge", { tag: `t${n}` });
  }
  assert.deepEqual([...(await series(gateway)).keys()], before);
});
