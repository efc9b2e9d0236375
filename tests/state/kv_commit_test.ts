import assert from "node:assert/strict";
import { commitPatiently } from "../../lib/state/kv_commit.ts";
import { openKvForTest } from "../cache/disk/opened_kv.ts";

Deno.test("commitPatiently() gets every commit through that several connections make at once", async () => {
  await using opened = await openKvForTest();
  const kvs = [opened.kv, await Deno.openKv(opened.path), await Deno.openKv(opened.path)];
  await Promise.all(kvs.map(async (kv, worker) => {
    for (let n = 0; n < 40; n++) {
      const atomic = kv.atomic().check({ key: ["row", worker, n], versionstamp: null }).sum(["sum"], 1n);
      assert.ok((await commitPatiently(atomic.set(["row", worker, n], new Uint8Array(60_000)))).ok);
    }
  }));
  assert.equal((await opened.kv.get<Deno.KvU64>(["sum"])).value?.value, 120n);
  for (const kv of kvs.slice(1)) kv.close();
});

Deno.test("commitPatiently() answers a failed check at once", async () => {
  await using opened = await openKvForTest();
  await opened.kv.set(["row"], 1);
  assert.equal((await commitPatiently(opened.kv.atomic().check({ key: ["row"], versionstamp: null }))).ok, false);
});

Deno.test("commitPatiently() waits while the file is locked, and passes on other trouble at once", async () => {
  await using opened = await openKvForTest();
  let tries = 0;
  const commit = (error: Error | null) =>
    Object.assign(opened.kv.atomic(), {
      commit: () => (tries++, error !== null && tries < 4) ? Promise.reject(error) : ok,
    });
  const ok = Promise.resolve({ ok: true as const, versionstamp: "1" });
  assert.ok((await commitPatiently(commit(new Error("database is locked")))).ok);
  assert.equal(tries, 4);
  tries = 0;
  await assert.rejects(commitPatiently(commit(new Error("database or disk is full"))), /full/);
  assert.equal(tries, 1);
});
