import assert from "node:assert/strict";
import { newPurge, PurgeTable } from "../../../lib/cache/purge/purge_table.ts";
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
