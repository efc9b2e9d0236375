import assert from "node:assert/strict";
import { readEntry } from "../../../lib/cache/disk/_kv_reader.ts";
import { hashOfKey, recordRow } from "../../../lib/cache/disk/_kv_rows.ts";
import { openKvForTest } from "./opened_kv.ts";
import { sampleResponse } from "../store_suite.ts";

/** A connection that counts its calls, and lets a test step in before one. */
function counting(kv: Deno.Kv, before: (call: number) => Promise<void> = () => Promise.resolve()) {
  const calls = { count: 0 };
  const counted =
    <Args extends unknown[], Result>(work: (...args: Args) => Promise<Result>) => async (...args: Args) => {
      await before(++calls.count);
      return await work(...args);
    };
  const seen = { get: counted(kv.get.bind(kv)), getMany: counted(kv.getMany.bind(kv)) } as unknown as Deno.Kv;
  return { kv: seen, calls };
}

function ask(key: string, nowMs: number) {
  return { key, nowMs, hasRoomFor: () => true };
}

Deno.test("readEntry() reads 1 KB in one call, 100 KB in two, and 1 MB in two round trips", async () => {
  await using opened = await openKvForTest();
  for (const [bodyLength, expected] of [[1000, 1], [100_000, 2], [1_000_000, 3]] as const) {
    opened.tier.put(sampleResponse("a\0\0/", { bodyLength }));
    await opened.tier.flush();
    const { kv, calls } = counting(opened.kv);
    assert.equal((await readEntry(kv, ask("a\0\0/", opened.clock.now()))).kind, "found");
    assert.equal(calls.count, expected);
  }
});

Deno.test("readEntry() answers the newer entry where the one it began to read is replaced", async () => {
  await using opened = await openKvForTest();
  opened.tier.put(sampleResponse("a\0\0/", { bodyLength: 100_000 }));
  await opened.tier.flush();
  const { kv } = counting(opened.kv, async (call) => {
    if (call !== 2) return;
    opened.tier.put(sampleResponse("a\0\0/", { version: 2, bodyLength: 100_000 }));
    await opened.tier.flush();
  });
  const outcome = await readEntry(kv, ask("a\0\0/", opened.clock.now()));
  assert.equal(outcome.kind, "found");
  assert.deepEqual(outcome.kind === "found" && outcome.response.fields[1], ["etag", '"2"']);
});

Deno.test("readEntry() does not answer another key's response, should two keys have one hash", async () => {
  await using opened = await openKvForTest();
  opened.tier.put(sampleResponse("a\0\0/one"));
  await opened.tier.flush();
  const { value } = await opened.kv.get(recordRow(hashOfKey("a\0\0/one")));
  await opened.kv.set(recordRow(hashOfKey("a\0\0/two")), value);
  assert.equal((await readEntry(opened.kv, ask("a\0\0/two", opened.clock.now()))).kind, "absent");
});

Deno.test("readEntry() does not read a body that there is no room for", async () => {
  await using opened = await openKvForTest();
  opened.tier.put(sampleResponse("a\0\0/", { bodyLength: 100_000 }));
  await opened.tier.flush();
  const { kv, calls } = counting(opened.kv);
  const outcome = await readEntry(kv, { ...ask("a\0\0/", opened.clock.now()), hasRoomFor: (bytes) => bytes < 100_000 });
  assert.deepEqual([outcome.kind, calls.count], ["absent", 1]);
});

Deno.test("readEntry() does not read what another version has written, and a put replaces it", async () => {
  await using opened = await openKvForTest();
  const key = "a\0\0/old";
  const row = recordRow(hashOfKey(key));
  for (const versionAt of [0, 35]) {
    opened.tier.put(sampleResponse(key));
    await opened.tier.flush();
    const value = new Uint8Array((await opened.kv.get<Uint8Array>(row)).value!);
    value[versionAt] = versionAt === 0 ? 1 : 9;
    await opened.kv.set(row, value);
    assert.equal((await readEntry(opened.kv, ask(key, opened.clock.now()))).kind, "absent");
    opened.tier.put(sampleResponse(key, { version: 2 }));
    await opened.tier.flush();
    const outcome = await readEntry(opened.kv, ask(key, opened.clock.now()));
    assert.equal(outcome.kind === "found" && outcome.response.field("etag"), '"2"');
  }
});
