import assert from "node:assert/strict";
import { createKvJanitor } from "../../../lib/cache/disk/kv_janitor.ts";
import { loadPurges, newPurge, PurgeTable, savePurge, tidyPurges } from "../../../lib/cache/purge/purge_table.ts";
import { openKvForTest } from "../disk/opened_kv.ts";
import { sampleResponse } from "../store_suite.ts";

Deno.test("PurgeTable.apply() answers the response itself, a stale one, or none", () => {
  const table = new PurgeTable();
  const response = sampleResponse("api\0\0/a", { tags: ["soft", "hard"] });
  const nowMs = response.responseTimeMs + 1000;
  assert.equal(table.apply(response), response);
  table.add(newPurge({ kind: "tag", listener: null, tag: "soft" }, { soft: true, nowMs }));
  assert.equal(table.apply(response)?.freshness.lifetimeMs, 1005);
  table.add(newPurge({ kind: "tag", listener: null, tag: "hard" }, { soft: false, nowMs }));
  assert.equal(table.apply(response), undefined);
});

Deno.test("PurgeTable.add() changes the generation with each new rule, not with one it knows", () => {
  const table = new PurgeTable();
  const rule = newPurge({ kind: "all", listener: "api" }, { soft: true, nowMs: 1 });
  table.add(rule);
  const { generation } = table;
  table.add(rule);
  assert.equal(table.generation, generation);
  table.add(newPurge({ kind: "all", listener: "api" }, { soft: true, nowMs: 1 }));
  assert.notEqual(table.generation, generation);
});

Deno.test("PurgeTable.add() holds a bounded number of rules and goes on purging", () => {
  const table = new PurgeTable();
  for (let n = 0; n < 10_050; n++) {
    table.add({ id: `${n}`, scope: { kind: "url", listener: "api", target: `/${n}` }, soft: false, timeMs: 1e13 + n });
  }
  assert.ok(table.size <= 10_000, `${table.size} rules`);
  for (const n of [0, 5000, 10_000, 10_049]) assert.equal(table.apply(sampleResponse(`api\0\0/${n}`)), undefined);
  assert.ok(table.apply(sampleResponse("other\0\0/0")));
});

Deno.test("PurgeTable.add() holds fewer patterns than other rules, since each of them is held against each response", () => {
  const table = new PurgeTable();
  const rule = (n: number, kind: "glob" | "tag") => ({
    id: `${kind} ${n}`,
    scope: kind === "glob"
      ? { kind, listener: "api", pattern: `/${n}/*` } as const
      : { kind, listener: "other", tag: `t${n}` } as const,
    soft: false,
    timeMs: 1e13 + n,
  });
  for (let n = 0; n < 2_000; n++) {
    table.add(rule(n, "glob"));
    table.add(rule(n, "tag"));
  }
  assert.ok(table.size <= 2_000 + 256 + 1, `${table.size} rules`);
  for (const n of [0, 1_000, 1_999]) {
    assert.equal(table.apply(sampleResponse(`api\0\0/${n}/a`)), undefined);
    assert.equal(table.apply(sampleResponse("other\0\0/a", { tags: [`t${n}`] })), undefined);
  }
  assert.ok(table.apply(sampleResponse("other\0\0/a", { tags: ["t"] })));
});

Deno.test("savePurge() writes a rule down for those who come later", async () => {
  await using opened = await openKvForTest();
  const rule = newPurge({ kind: "prefix", listener: "api", prefix: "/" + "x".repeat(9000) }, { soft: false, nowMs: 5 });
  await savePurge(opened.kv, rule);
  assert.deepEqual(await loadPurges(opened.kv), [rule]);
});

Deno.test("tidyPurges() drops old rules and folds the rest where they are too many", async () => {
  await using opened = await openKvForTest();
  for (let n = 0; n < 30; n++) {
    await savePurge(opened.kv, newPurge({ kind: "url", listener: "api", target: `/${n}` }, { soft: n > 15, nowMs: n }));
  }
  assert.equal(await tidyPurges(opened.kv, 10, 100), 20);
  assert.equal(await tidyPurges(opened.kv, 10, 8), 5);
  const table = new PurgeTable(await loadPurges(opened.kv));
  assert.equal(table.size, 5);
  const asked = (target: string, requestTimeMs: number) =>
    sampleResponse(`api\0\0${target}`, { requestTimeMs, responseTimeMs: 1 });
  assert.equal(table.apply(asked("/12", 12)), undefined);
  assert.ok(table.apply(asked("/29", 29))!.freshness.lifetimeMs < 1000);
});

Deno.test("KvJanitor.step() drops a purge when nothing is stored that is older", async () => {
  await using opened = await openKvForTest();
  const { kv, path, clock, log } = opened;
  const put = (key: string) => {
    const nowMs = clock.now();
    opened.tier.put(sampleResponse(key, { requestTimeMs: nowMs, responseTimeMs: nowMs }));
  };
  put("api\0\0/old");
  await opened.tier.flush();
  clock.advance(1000);
  await savePurge(kv, newPurge({ kind: "all", listener: "api" }, { soft: true, nowMs: clock.now() }));
  clock.advance(2 * 3_600_000);
  put("api\0\0/new");
  await opened.tier.flush();
  const janitor = createKvJanitor({ kv, path, clock, log, limitBytes: 64 * 1024 * 1024 });
  await janitor.step();
  assert.equal((await loadPurges(kv)).length, 1, "something older is stored");
  opened.tier.delete("api\0\0/old");
  await opened.tier.flush();
  await janitor.step();
  assert.equal((await loadPurges(kv)).length, 0);
  janitor.close();
});
