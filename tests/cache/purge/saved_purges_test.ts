import assert from "node:assert/strict";
import type { PurgeRule } from "../../../lib/cache/purge/purge_rules.ts";
import { createKvJanitor } from "../../../lib/cache/disk/kv_janitor.ts";
import { newPurge, PurgeTable } from "../../../lib/cache/purge/purge_table.ts";
import { loadPurges, savePurges, tidyPurges } from "../../../lib/cache/purge/saved_purges.ts";
import { KvStateStore } from "../../../lib/state/kv_state_store.ts";
import { MapStateStore } from "../../state/map_state_store.ts";
import { openKvForTest } from "../disk/opened_kv.ts";
import { sampleResponse } from "../store_suite.ts";

Deno.test("savePurges() saves rules for a process that starts later", async () => {
  const state = new MapStateStore();
  const rule = newPurge({ kind: "prefix", listener: "api", prefix: "/" + "x".repeat(9000) }, { soft: false, nowMs: 5 });
  await savePurges(state, [rule]);
  assert.deepEqual(await loadPurges(state), [rule]);
});

Deno.test("tidyPurges() drops old rules and folds the rest where they are too many", async () => {
  const state = new MapStateStore();
  const rules = Array.from(
    { length: 30 },
    (_, n) => newPurge({ kind: "url", listener: "api", target: `/${n}` }, { soft: n > 15, nowMs: n }),
  );
  await savePurges(state, rules);
  assert.equal(await tidyPurges(state, 10, 100), 20);
  assert.equal(await tidyPurges(state, 10, 8), 5);
  const table = new PurgeTable(await loadPurges(state));
  assert.equal(table.size, 5);
  const asked = (target: string, requestTimeMs: number) =>
    sampleResponse(`api\0\0${target}`, { requestTimeMs, responseTimeMs: 1 });
  assert.equal(table.apply(asked("/12", 12)), undefined);
  assert.ok(table.apply(asked("/29", 29))!.freshness.lifetimeMs < 1000);
});

Deno.test("tidyPurges() leaves a rule that is saved anew under its id while it works", async () => {
  await using opened = await openKvForTest();
  const written = (timeMs: number): PurgeRule => (
    { id: "written api movie:1", scope: { kind: "tags", listener: "api", tags: ["movie:1"] }, soft: false, timeMs }
  );
  const renewed = written(5000);
  let isRenewed = false;
  // Saved between the read of the row and the commit that removes it.
  const late = new Proxy(opened.kv, {
    get: (kv, name) => {
      const member = Reflect.get(kv, name, kv);
      if (name !== "get") return typeof member === "function" ? member.bind(kv) : member;
      return async (key: Deno.KvKey) => {
        const row = await kv.get(key);
        if (!isRenewed) await savePurges(new KvStateStore(kv), [renewed]);
        isRenewed = true;
        return row;
      };
    },
  });
  await savePurges(new KvStateStore(opened.kv), [written(1)]);
  await tidyPurges(new KvStateStore(late), 1000);
  assert.deepEqual(await loadPurges(new KvStateStore(opened.kv)), [renewed]);
  await tidyPurges(new KvStateStore(opened.kv), 6000);
  assert.deepEqual(await loadPurges(new KvStateStore(opened.kv)), []);
});

Deno.test("KvJanitor.step() drops a purge when nothing is stored that is older", async () => {
  await using opened = await openKvForTest();
  const { kv, path, clock, log } = opened;
  const state = new KvStateStore(kv);
  const put = (key: string) => {
    const nowMs = clock.now();
    opened.tier.put(sampleResponse(key, { requestTimeMs: nowMs, responseTimeMs: nowMs }));
  };
  put("api\0\0/old");
  await opened.tier.flush();
  clock.advance(1000);
  await savePurges(state, [newPurge({ kind: "all", listener: "api" }, { soft: true, nowMs: clock.now() })]);
  clock.advance(2 * 3_600_000);
  put("api\0\0/new");
  await opened.tier.flush();
  const janitor = createKvJanitor({ kv, path, clock, log, limitBytes: 64 * 1024 * 1024 });
  await janitor.step();
  assert.equal((await loadPurges(state)).length, 1, "something older is stored");
  opened.tier.delete("api\0\0/old");
  await opened.tier.flush();
  await janitor.step();
  assert.equal((await loadPurges(state)).length, 0);
  janitor.close();
});
