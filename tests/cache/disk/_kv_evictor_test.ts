import assert from "node:assert/strict";
import { evict, listenerBytes, removeEntries, useEntryOf } from "../../../lib/cache/disk/_kv_evictor.ts";
import { auditRows } from "./audited_rows.ts";
import { openKvForTest } from "./opened_kv.ts";
import { sampleResponse } from "../store_suite.ts";

async function fill(opened: Awaited<ReturnType<typeof openKvForTest>>, listener: string, count: number): Promise<void> {
  for (let n = 0; n < count; n++) opened.tier.put(sampleResponse(`${listener}\0\0/${n}`, { bodyLength: 20_000 }));
  await opened.tier.flush();
  opened.clock.advance(2000);
}

async function useEntries(kv: Deno.Kv) {
  const entries = [];
  for await (const entry of kv.list({ prefix: ["x"] })) entries.push(useEntryOf(entry)!);
  return entries;
}

Deno.test("evict() frees at least what is asked for, and hardly more", async () => {
  await using opened = await openKvForTest();
  await fill(opened, "a", 100);
  const { freedBytes, removed } = await evict({ kv: opened.kv, guaranteedShare: 0.5 }, 500_000);
  assert.ok(freedBytes >= 500_000 && freedBytes < 550_000, `${freedBytes} freed`);
  assert.ok(removed >= 18);
  await auditRows(opened.kv);
});

Deno.test("evict() takes from the listener whose entries are out of use longest, down to its guarantee", async () => {
  await using opened = await openKvForTest();
  await fill(opened, "old", 50);
  await fill(opened, "new", 50);
  await evict({ kv: opened.kv, guaranteedShare: 0.5 }, 400_000);
  const some = await listenerBytes(opened.kv);
  assert.ok(some.get("old")! < some.get("new")! - 350_000);
  await evict({ kv: opened.kv, guaranteedShare: 0.5 }, 600_000);
  const more = await listenerBytes(opened.kv);
  assert.ok(more.get("old")! > 200_000, `${more.get("old")} bytes are left of a guarantee`);
});

Deno.test("evict() takes from one listener alone where told to", async () => {
  await using opened = await openKvForTest();
  await fill(opened, "old", 10);
  await fill(opened, "new", 10);
  const before = (await listenerBytes(opened.kv)).get("old");
  await evict({ kv: opened.kv, guaranteedShare: 0.5, listener: "new" }, 1e9);
  const after = await listenerBytes(opened.kv);
  assert.deepEqual([after.get("old"), after.get("new")], [before, undefined]);
});

Deno.test("evict() by two workers at once frees for both and counts each entry once", async () => {
  await using opened = await openKvForTest();
  await fill(opened, "a", 200);
  const second = await Deno.openKv(opened.path);
  const freed = await Promise.all([opened.kv, second].map((kv) => evict({ kv, guaranteedShare: 0.5 }, 1_000_000)));
  for (const { freedBytes } of freed) assert.ok(freedBytes >= 1_000_000);
  await auditRows(opened.kv);
  second.close();
});

Deno.test("removeEntries() leaves what changed since it was listed", async () => {
  await using opened = await openKvForTest();
  await fill(opened, "a", 5);
  const listed = await useEntries(opened.kv);
  opened.tier.put(sampleResponse("a\0\0/2", { version: 2 }));
  await opened.tier.flush();
  assert.equal((await removeEntries(opened.kv, listed, Infinity)).removed, 4);
  assert.ok(await opened.tier.get("a\0\0/2"));
  await auditRows(opened.kv);
});

Deno.test("removeEntries() frees the chunks of an entry whose record is gone", async () => {
  await using opened = await openKvForTest();
  await fill(opened, "a", 3);
  for await (const { key } of opened.kv.list({ prefix: ["r"] })) await opened.kv.delete(key);
  assert.equal((await removeEntries(opened.kv, await useEntries(opened.kv), Infinity)).removed, 3);
  await auditRows(opened.kv);
});
