import assert from "node:assert/strict";
import { join } from "node:path";
import type { PurgeRule } from "../../../lib/cache/purge/purge_rules.ts";
import { loadPurges } from "../../../lib/cache/purge/saved_purges.ts";
import { positionAt } from "../../../lib/cache/purge/purge_clock.ts";
import { createLogger } from "../../../lib/logging/logger.ts";
import { KvStateStore } from "../../../lib/state/kv_state_store.ts";
import { MapStateStore } from "../../state/map_state_store.ts";
import { PurgeLedger } from "../../../lib/workers/operations/purge_ledger.ts";

function rule(id: string, timeMs = 1): PurgeRule {
  return { id, scope: { kind: "url", listener: "films", target: `/${id}` }, soft: false, timeMs };
}

function ids(rules: readonly PurgeRule[]): string[] {
  return rules.map(({ id }) => id).sort();
}

/** A logger and what it was told. */
function told() {
  const lines: string[] = [];
  const logger = createLogger({ level: "info", format: "json", sink: (line) => lines.push(line), now: () => 0 });
  return { logger, lines };
}

Deno.test("record() writes rules down, and open() reads them in another process's time", async () => {
  const directory = await Deno.makeTempDir();
  const path = join(directory, "usher.kv");
  const { logger, lines } = told();
  {
    using kv = await Deno.openKv(path);
    const ledger = await PurgeLedger.open(new KvStateStore(kv), logger);
    assert.deepEqual(ledger.rules, []);
    assert.equal(await ledger.record([rule("a"), rule("b")]), true);
    assert.equal(await ledger.record([rule("c")]), true);
    assert.deepEqual(ids(ledger.rules), ["a", "b", "c"]);
  }
  {
    using kv = await Deno.openKv(path);
    const again = await PurgeLedger.open(new KvStateStore(kv), logger);
    assert.deepEqual(again.rules.find(({ id }) => id === "b"), rule("b"));
    assert.deepEqual(ids(again.rules), ["a", "b", "c"]);
  }
  assert.deepEqual(lines, []);
  await Deno.remove(directory, { recursive: true });
});

Deno.test("record() holds rules before they are written down, for a worker that starts meanwhile", async () => {
  using kv = await Deno.openKv(":memory:");
  const ledger = await PurgeLedger.open(new KvStateStore(kv), told().logger);
  const recording = ledger.record([rule("a")]);
  assert.deepEqual(ids(ledger.rules), ["a"]);
  await recording;
  assert.deepEqual(ids(await loadPurges(new KvStateStore(kv))), ["a"]);
});

Deno.test("record() without KV holds rules for as long as the process lives, and says so", async () => {
  const { logger, lines } = told();
  const ledger = await PurgeLedger.open(null, logger);
  assert.equal(await ledger.record([rule("a")]), false);
  assert.deepEqual(ids(ledger.rules), ["a"]);
  assert.deepEqual(lines, []);
});

Deno.test("record() holds rules that cannot be written down, says so and logs why", async () => {
  const { logger, lines } = told();
  const kv = await Deno.openKv(":memory:");
  const ledger = await PurgeLedger.open(new KvStateStore(kv), logger);
  kv.close();
  assert.equal(await ledger.record([rule("a")]), false);
  assert.deepEqual(ids(ledger.rules), ["a"]);
  assert.match(lines.join(""), /"level":"error".*A purge cannot be written down/);
});

Deno.test("open() goes on without what cannot be read, and logs why", async () => {
  const { logger, lines } = told();
  const kv = await Deno.openKv(":memory:");
  kv.close();
  assert.deepEqual((await PurgeLedger.open(new KvStateStore(kv), logger)).rules, []);
  assert.match(lines.join(""), /"level":"error".*The purges made before cannot be read/);
});

Deno.test("record() is bounded: very many rules become fewer that purge at least as much", async () => {
  const ledger = await PurgeLedger.open(null, told().logger);
  await ledger.record(Array.from({ length: 10_001 }, (_, index) => rule(`r${index}`, index)));
  assert.ok(ledger.rules.length <= 10_000);
  assert.ok(ledger.rules.some(({ scope, soft }) => scope.kind === "all" && scope.listener === "films" && !soft));
  assert.ok(ledger.rules.some(({ id }) => id === "r10000"), "the newest stay as they are");
});

Deno.test("attach() takes what another process has saved, and saves there what was made meanwhile", async () => {
  const { logger, lines } = told();
  using kv = await Deno.openKv(":memory:");
  const state = new KvStateStore(kv);
  const theirs = await PurgeLedger.open(state, logger);
  await theirs.record([rule("theirs"), rule("both")]);
  const ledger = await PurgeLedger.open(null, logger);
  assert.equal(await ledger.record([rule("ours", 2), rule("both")]), false);
  assert.deepEqual(ids(await ledger.attach(state)), ["both", "theirs"]);
  assert.deepEqual(ids(ledger.rules), ["both", "ours", "theirs"]);
  assert.deepEqual(ids(await loadPurges(state)), ["both", "ours", "theirs"]);
  assert.equal(await ledger.record([rule("later")]), true);
  assert.deepEqual(lines, []);
});

Deno.test("next() goes on behind every position before, in this process and the next, also when the clock is put back", async () => {
  const state = new MapStateStore();
  const ahead = positionAt(Date.now() + 3_600_000);
  const first = await PurgeLedger.open(state, told().logger);
  assert.ok(first.next().position < ahead);
  await first.noteTime(Date.now() + 3_600_000);
  const [made, again] = [first.next(), first.next()];
  assert.ok(made.position > ahead && again.position > made.position);
  assert.ok(made.nowMs >= Date.now() + 3_590_000, "a rule is not tidied away before what was stored ahead of it");
  const second = await PurgeLedger.open(state, told().logger);
  assert.ok(second.next().position > ahead);
  await second.record([{ ...rule("far"), position: ahead + 5_000_000 }]);
  const third = await PurgeLedger.open(state, told().logger);
  assert.ok(third.next().position > ahead + 5_000_000);
});

Deno.test("attach() puts what was purged meanwhile behind all that was stored before, where the clock was put back", async () => {
  const state = new MapStateStore();
  const ahead = positionAt(Date.now() + 3_600_000);
  const theirs = await PurgeLedger.open(state, told().logger);
  await theirs.record([{ ...rule("theirs"), position: ahead }]);
  const ledger = await PurgeLedger.open(null, told().logger);
  await ledger.record([{ ...rule("ours"), ...ledger.next() }]);
  const answer = await ledger.attach(state);
  assert.deepEqual(ids(answer), ["ours", "theirs"]);
  assert.ok(answer.find(({ id }) => id === "ours")!.position! > ahead);
  assert.deepEqual(ids(await loadPurges(state)), ["ours", "theirs"]);
  assert.ok(ledger.next().position > ahead + 1);
});
