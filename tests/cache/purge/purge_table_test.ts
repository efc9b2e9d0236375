import assert from "node:assert/strict";
import { newPurge, PurgeTable } from "../../../lib/cache/purge/purge_table.ts";
import { FOLDED, type PurgeRule, type PurgeScope } from "../../../lib/cache/purge/purge_rules.ts";
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

Deno.test("PurgeTable.add() folds nothing before there are 257 patterns or 10,001 rules, also beside a rule folded elsewhere", () => {
  const table = new PurgeTable();
  table.add({ id: `${FOLDED}other`, scope: { kind: "all", listener: "other" }, soft: false, timeMs: 1 });
  const rule = (n: number): PurgeScope =>
    n < 256 ? { kind: "glob", listener: "api", pattern: `/${n}/*` } : { kind: "url", listener: "api", target: `/${n}` };
  for (let n = 0; n < 9_999; n++) table.add(newPurge(rule(n), { soft: false, nowMs: 1e13 }));
  assert.equal(table.size, 10_000);
  assert.ok(table.apply(sampleResponse("api\0\0/a")));
});

Deno.test("PurgeTable.add() has room for 256 patterns again after some were folded", () => {
  const table = new PurgeTable();
  let most = 0;
  for (let n = 0; n < 600; n++) {
    table.add(newPurge({ kind: "glob", listener: "api", pattern: `/${n}/*` }, { soft: false, nowMs: 1e13 + n }));
    most = Math.max(most, table.size);
  }
  // The rule that the others were folded into is none of them.
  assert.equal(most, 257);
});

Deno.test("PurgeTable.position is that of the newest rule, also when rules come out of order or again at a later one", () => {
  const table = new PurgeTable();
  const all = (id: string, position: number): PurgeRule => ({
    ...{ id, scope: { kind: "all", listener: "api" }, soft: false, timeMs: 1 },
    position,
  });
  assert.equal(table.position, 1);
  const response = (purgePosition: number) => sampleResponse("api\0\0/", { requestTimeMs: 5, purgePosition });
  for (const [id, position, expected] of [["a", 20, 20], ["b", 10, 20], ["a", 30, 30], ["a", 25, 30]] as const) {
    table.add(all(id, position));
    assert.equal(table.position, expected);
  }
  assert.equal(table.size, 2);
  assert.equal(table.apply(response(29)), undefined);
  assert.equal(table.apply(response(30))?.purgePosition, 30);
});

Deno.test("PurgeTable.apply() leaves nothing fresh by a soft purge of a machine whose clock is ahead", () => {
  const nowMs = 100_000;
  const table = new PurgeTable([], 1, { now: () => nowMs });
  table.add({ id: "a", scope: { kind: "all", listener: null }, soft: true, timeMs: nowMs + 60_000, position: 9 });
  const stored = sampleResponse("api\0\0/", {
    requestTimeMs: nowMs - 10,
    responseTimeMs: nowMs - 10,
    purgePosition: 3,
  });
  const left = table.apply(stored)!;
  assert.ok(left.isPurged);
  assert.equal(left.freshness.lifetimeMs, stored.freshness.initialAgeMs + 10);
});
