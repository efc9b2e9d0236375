import assert from "node:assert/strict";
import type { PurgeRule } from "../../../lib/cache/purge/purge_rules.ts";
import { loadPurges } from "../../../lib/cache/purge/saved_purges.ts";
import type { PurgeOrder } from "../../../lib/gateway/purge_scopes.ts";
import { createLogger } from "../../../lib/logging/logger.ts";
import { PurgeDesk } from "../../../lib/workers/operations/purge_desk.ts";
import { PurgeLedger } from "../../../lib/workers/operations/purge_ledger.ts";
import { configOf } from "../../gateway/config_of.ts";
import type { StateStore } from "../../../lib/state/state_store.ts";
import { MapStateStore } from "../../state/map_state_store.ts";

const config = await configOf({
  pools: { films: { type: "custom", health: false, upstreams: ["http://127.0.0.1:9"] } },
  listeners: [
    { name: "films", listen: "127.0.0.1:6635", prefix: "/films", pool: "films" },
    { name: "stars", listen: "127.0.0.1:6635", prefix: "/stars", pool: "films" },
  ],
});
const ALL: PurgeOrder = { by: "all", value: "", listener: null, hard: true };

/** A desk over a real ledger, and what went through it. */
async function deskOf(state: StateStore | null, workers = 2) {
  const lines: Record<string, unknown>[] = [];
  const sink = (line: string) => void lines.push(JSON.parse(line));
  const logger = createLogger({ level: "error", format: "json", sink, now: () => 0 });
  const ledger = await PurgeLedger.open(state, logger);
  const spreads: { readonly rules: readonly PurgeRule[]; readonly recorded: number }[] = [];
  const spread = (rules: readonly PurgeRule[], counts: boolean) => {
    spreads.push({ rules, recorded: ledger.rules.length });
    return Promise.resolve({ workers, named: counts ? 7 : null });
  };
  return { desk: new PurgeDesk({ ledger, logger, spread }), ledger, spreads, lines };
}

Deno.test("take() writes a purge down, then brings it into the workers, and says what came of it", async () => {
  const state = new MapStateStore();
  const { desk, spreads, ledger } = await deskOf(state);
  const beforeMs = Date.now();
  const outcome = await desk.take({ by: "url", value: "/films/1", listener: null, hard: true }, config, "ops");
  assert.ok(outcome.ok);
  const { durationMs, ...rest } = outcome;
  assert.deepEqual(rest, { ok: true, soft: false, listeners: ["films"], workers: 2, named: 7, persisted: true });
  assert.ok(durationMs >= 0);
  assert.equal(spreads.length, 1);
  assert.equal(spreads[0]!.recorded, 1, "a worker that starts now has it from the ledger");
  const [rule] = spreads[0]!.rules;
  assert.deepEqual(rule, ledger.rules[0]);
  assert.deepEqual([rule!.scope.kind, rule!.scope.listener, rule!.soft], ["url", "films", false]);
  assert.ok(rule!.timeMs >= beforeMs && rule!.timeMs <= Date.now());
});

Deno.test("take() purges softly unless the order is hard, and everything where it names no listener", async () => {
  const { desk, spreads } = await deskOf(null, 0);
  const outcome = await desk.take({ ...ALL, hard: false }, config, "ops");
  assert.ok(outcome.ok);
  assert.deepEqual([outcome.soft, outcome.listeners, outcome.workers, outcome.persisted], [true, null, 0, false]);
  assert.deepEqual([spreads[0]!.rules[0]!.scope, spreads[0]!.rules[0]!.soft], [{ kind: "all", listener: null }, true]);
});

Deno.test("take() names each listener once", async () => {
  const { desk } = await deskOf(null);
  const outcome = await desk.take({ by: "glob", value: "/**", listener: null, hard: true }, config, "ops");
  assert.ok(outcome.ok);
  assert.deepEqual([...outcome.listeners!].sort(), ["films", "stars"]);
});

Deno.test("take() refuses an order for a listener that does not exist, and tells no worker", async () => {
  const { desk, spreads, ledger } = await deskOf(null);
  const outcome = await desk.take({ ...ALL, listener: "film" }, config, "ops");
  assert.ok(!outcome.ok);
  assert.match(outcome.problem, /no listener "film".*"films"/);
  assert.deepEqual([spreads, ledger.rules], [[], []]);
  assert.deepEqual(desk.counts.all, 0);
});

Deno.test("take() notes who asked for what, whatever the log level and the outcome", async () => {
  const { desk, lines } = await deskOf(null);
  await desk.take({ by: "tag", value: "movie-550", listener: "films", hard: false }, config, "192.0.2.9");
  await desk.take({ ...ALL, listener: "film" }, config, "192.0.2.9");
  const [done, refused] = lines.filter(({ audit }) => audit === "purge");
  assert.deepEqual(
    [done!["actor"], done!["by"], done!["value"], done!["listener"], done!["hard"], done!["outcome"]],
    ["192.0.2.9", "tag", "movie-550", "films", false, "done"],
  );
  assert.match(String(refused!["outcome"]), /no listener/);
});

Deno.test("counts tells purges by kind", async () => {
  const { desk } = await deskOf(null);
  await desk.take(ALL, config, "ops");
  await desk.take(ALL, config, "ops");
  await desk.take({ by: "prefix", value: "/films/", listener: null, hard: true }, config, "ops");
  assert.deepEqual(desk.counts, { url: 0, prefix: 1, glob: 0, tag: 0, all: 2, changes: 0 });
});

Deno.test("takeChanges() marks stale by one rule a listener, written down before any worker is told", async () => {
  const state = new MapStateStore();
  const { desk, spreads, ledger, lines } = await deskOf(state);
  await desk.takeChanges(["movie:1", "tv:2"], ["films", "stars"]);
  assert.deepEqual(spreads.map(({ rules, recorded }) => [rules.length, recorded]), [[2, 2]]);
  assert.deepEqual(ledger.rules.map(({ scope, soft }) => [scope, soft]), [
    [{ kind: "tags", listener: "films", tags: ["movie:1", "tv:2"] }, true],
    [{ kind: "tags", listener: "stars", tags: ["movie:1", "tv:2"] }, true],
  ]);
  assert.equal(desk.counts.changes, 2);
  const { audit, actor, count, listeners } = lines[0]!;
  assert.deepEqual([audit, actor, count, listeners], ["purge", "change feed", 2, "films,stars"]);
  await desk.takeChanges([], ["films"]);
  await desk.takeChanges(["movie:1"], []);
  assert.equal(spreads.length, 1);
  const again = await PurgeLedger.open(
    state,
    createLogger({ level: "error", format: "json", sink: () => {}, now: () => 0 }),
  );
  assert.equal(again.rules.length, 2);
});

Deno.test("recordWrite() writes one rule for each listener of the type and tag, however often it changes, and tells no worker", async () => {
  const state = new MapStateStore();
  const { desk, spreads, ledger } = await deskOf(state);
  for (let turn = 0; turn < 3; turn++) await desk.recordWrite("custom", ["list:5", "list:6"], config);
  await desk.recordWrite("tmdb-api", ["list:7"], config);
  const names = ledger.rules.map((
    { scope, soft },
  ) => [scope.listener, scope.kind === "tags" && scope.tags.join(), soft]);
  assert.deepEqual(names, [
    ["films", "list:5", false],
    ["films", "list:6", false],
    ["stars", "list:5", false],
    ["stars", "list:6", false],
  ]);
  assert.equal((await loadPurges(state)).length, 4);
  assert.deepEqual(spreads, []);
});
